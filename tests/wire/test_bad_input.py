"""What no good client sends: each request gets an error, changes nothing, and the server goes on serving."""
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from server_process import ServerProcess
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.testservice.v1 import service_pb2 as test_service
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service
from temporalio.api.workflowservice.v1 import service_pb2_grpc

SERVICES = [
    workflow_service.DESCRIPTOR.services_by_name["WorkflowService"],
    operator_service.DESCRIPTOR.services_by_name["OperatorService"],
    test_service.DESCRIPTOR.services_by_name["TestService"],
]
METHODS = [(f"/{s.full_name}/{m.name}", m) for s in SERVICES for m in s.methods]
SHORT_S = 0.3
OK = grpc.StatusCode.OK
# A request that can be read never gets one of these: they say that the server, not the caller, is at fault.
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAVAILABLE}
# A request that cannot be read gets one of these.
UNREADABLE = {grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED}


@pytest.fixture(scope="module")
def server(binary):
    """A server of its own: what is left of it after these tests is nobody's business."""
    with ServerProcess(binary) as server:
        yield server
        assert server.process.poll() is None, "the server ended"


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.target, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield channel


@pytest.fixture
def stub(channel):
    return service_pb2_grpc.WorkflowServiceStub(channel)


@pytest.fixture(autouse=True)
def still_serving(stub):
    yield
    assert stub.GetSystemInfo(messages.GetSystemInfoRequest(), timeout=5).server_version


def outcome(channel, path, request: bytes, timeout=SHORT_S):
    """The code and message of the answer to these bytes."""
    try:
        channel.unary_unary(path)(request, timeout=timeout)
    except grpc.RpcError as e:
        return e.code(), e.details()
    return OK, ""


def outcomes(channel, requests):
    """The same for many (path, bytes), some at once: long polls take their whole time."""
    with ThreadPoolExecutor(16) as pool:
        return list(zip(requests, pool.map(lambda r: outcome(channel, *r), requests)))


def at_fault(found, wrong):
    """The answers whose code is a wrong one, to be shown all at once."""
    return [f"{path}: {code.name} {text} to {request!r}" for (path, request), (code, text) in found if code in wrong]


def code_of(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code()


# -- requests at random ------------------------------------------------------------------------------------------------
TEXTS = ["", "x", "no such thing", "default ", "\0", "\u202e\u0000💥" * 50, "a" * 2000, "../..", "'; DROP TABLE log; --"]
NUMBERS = [0, 1, -1, 7, 2**31 - 1, -(2**31), 10**9 + 1]


def scalar(chance, field):
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(chance.choice([0, 1, 8, 300]))
        case FieldDescriptor.CPPTYPE_STRING:
            return chance.choice(TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice([0.0, -1.5, 1e30, float("nan"), float("inf")])
        case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
            return chance.choice([n for n in NUMBERS if n >= 0])
        case FieldDescriptor.CPPTYPE_ENUM:
            # Numbers that no version of the protocol knows, too.
            return chance.choice([*(v.number for v in field.enum_type.values), 9999, -3])
        case _:
            return chance.choice(NUMBERS)


def fill(chance, message, depth=0):
    """Gives about a third of the fields a value, of the right type and otherwise absurd."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.6 or depth > 5:
            continue
        if field.message_type is None:
            value = scalar(chance, field)
            if field.is_repeated:
                getattr(message, field.name).extend([value] * chance.choice([1, 3]))
            else:
                setattr(message, field.name, value)
        elif field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            target = getattr(message, field.name)
            key = scalar(chance, field.message_type.fields_by_name["key"])
            if inner.message_type is None:
                target[key] = scalar(chance, inner)
            else:
                fill(chance, target[key], depth + 1)
        elif field.is_repeated:
            fill(chance, getattr(message, field.name).add(), depth + 1)
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()
            fill(chance, inner, depth + 1)


def random_request(chance, method) -> bytes:
    message = message_factory.GetMessageClass(method.input_type)()
    fill(chance, message)
    if "namespace" in method.input_type.fields_by_name and chance.random() < 0.8:
        if method.input_type.fields_by_name["namespace"].type == FieldDescriptor.TYPE_STRING and "Namespace" not in method.name:
            message.namespace = "default"
    return message.SerializeToString()


def test_every_method_answers_an_empty_request(channel):
    found = outcomes(channel, [(path, b"") for path, _ in METHODS])
    assert not at_fault(found, FAULTS)
    assert not [path for (path, _), (code, text) in found if code == grpc.StatusCode.UNIMPLEMENTED and not text]


@pytest.mark.parametrize("seed", range(5))
def test_absurd_requests_are_the_callers_fault(channel, seed):
    chance = random.Random(seed)
    requests = [(path, random_request(chance, method)) for path, method in METHODS]
    assert not at_fault(outcomes(channel, requests), FAULTS)


@pytest.mark.parametrize("seed", range(2))
def test_bytes_that_are_no_message(channel, seed):
    chance = random.Random(seed)
    requests = [(path, b"\x0f" + chance.randbytes(200)) for path, _ in METHODS]
    assert not at_fault(outcomes(channel, requests), set(grpc.StatusCode) - UNREADABLE)


def test_truncated_message(channel, stub):
    whole = messages.StartWorkflowExecutionRequest(namespace="default", workflow_id="truncated").SerializeToString()
    path = "/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution"
    assert outcome(channel, path, whole[:-1])[0] in UNREADABLE


def test_text_that_is_not_utf8(channel):
    path = "/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace"
    assert outcome(channel, path, b"\x0a\x02\xff\xfe")[0] in UNREADABLE


def test_request_too_large(stub):
    request = messages.StartWorkflowExecutionRequest(namespace="default", workflow_id="large")
    request.input.payloads.add().data = bytes(5 * 1024 * 1024)
    assert code_of(lambda: stub.StartWorkflowExecution(request, timeout=10)) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unknown_method(channel):
    path = "/temporal.api.workflowservice.v1.WorkflowService/NoSuchMethod"
    assert outcome(channel, path, b"")[0] == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("sent", [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http1"),
    pytest.param(b"\x16\x03\x01\x02\x00" + bytes(300), id="tls"),
    pytest.param(bytes(1000), id="zeros"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100, id="bad-frames"),
])
def test_bytes_that_are_no_grpc(server, sent):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        except TimeoutError:
            raise
        except OSError:
            pass  # Closed by the server while we were still sending: as good an answer.


# -- a worker that errs ------------------------------------------------------------------------------------------------
@pytest.fixture
def started(stub, queue):
    """A workflow, and a way to get its next task."""
    request = messages.StartWorkflowExecutionRequest(namespace="default", workflow_id=queue, request_id=queue)
    request.workflow_type.name = "any"
    request.task_queue.name = queue
    stub.StartWorkflowExecution(request, timeout=10)
    poll = messages.PollWorkflowTaskQueueRequest(namespace="default")
    poll.task_queue.name = queue
    return lambda: stub.PollWorkflowTaskQueue(poll, timeout=20)


def completion(token) -> messages.RespondWorkflowTaskCompletedRequest:
    request = messages.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=token)
    command = request.commands.add()
    command.command_type = 4
    command.complete_workflow_execution_command_attributes.SetInParent()
    return request


def closing_event(stub, wid):
    request = messages.GetWorkflowExecutionHistoryRequest(namespace="default", wait_new_event=True, history_event_filter_type=2)
    request.execution.workflow_id = wid
    return stub.GetWorkflowExecutionHistory(request, timeout=20).history.events


def test_forged_task_tokens(stub, started, queue):
    token = started().task_token
    chance = random.Random(7)
    forged = [b"", b"x", token[:-1], token + b"\0", bytes(len(token)), chance.randbytes(len(token)), token * 100]
    for _ in range(100):
        wrong = bytearray(token)
        wrong[chance.randrange(len(wrong))] ^= 1 << chance.randrange(8)
        forged.append(bytes(wrong))
    calls = [
        lambda t: stub.RespondWorkflowTaskFailed(messages.RespondWorkflowTaskFailedRequest(namespace="default", task_token=t), timeout=5),
        lambda t: stub.RespondActivityTaskCompleted(messages.RespondActivityTaskCompletedRequest(namespace="default", task_token=t), timeout=5),
        lambda t: stub.RespondActivityTaskFailed(messages.RespondActivityTaskFailedRequest(namespace="default", task_token=t), timeout=5),
        lambda t: stub.RespondActivityTaskCanceled(messages.RespondActivityTaskCanceledRequest(namespace="default", task_token=t), timeout=5),
        lambda t: stub.RecordActivityTaskHeartbeat(messages.RecordActivityTaskHeartbeatRequest(namespace="default", task_token=t), timeout=5),
        lambda t: stub.RespondQueryTaskCompleted(messages.RespondQueryTaskCompletedRequest(namespace="default", task_token=t), timeout=5),
    ]
    for wrong in forged:
        # Not the first call: a token that differs only in what does not matter would end the real task's attempt.
        for call in calls[1:]:
            assert code_of(lambda: call(wrong)) not in FAULTS
    for wrong in forged[:6]:
        assert code_of(lambda: calls[0](wrong)) not in FAULTS
    stub.RespondWorkflowTaskCompleted(completion(token), timeout=5)
    assert [e.event_id for e in closing_event(stub, queue)] == [5]


def test_a_worker_that_answers_twice(stub, started, queue):
    token = started().task_token
    stub.RespondWorkflowTaskCompleted(completion(token), timeout=5)
    assert code_of(lambda: stub.RespondWorkflowTaskCompleted(completion(token), timeout=5)) == grpc.StatusCode.NOT_FOUND
    assert [e.event_id for e in closing_event(stub, queue)] == [5]


def test_pollers_that_went_away_do_not_stop_a_workflow(stub, queue):
    """A task is not handed to a poller known to be gone; one handed out just before is handed out again when it times out."""
    poll = messages.PollWorkflowTaskQueueRequest(namespace="default")
    poll.task_queue.name = queue
    for _ in range(3):
        gone = [stub.PollWorkflowTaskQueue.future(poll, timeout=20) for _ in range(20)]
        for call in gone:
            call.cancel()
    request = messages.StartWorkflowExecutionRequest(namespace="default", workflow_id=queue, request_id=queue)
    request.workflow_type.name = "any"
    request.task_queue.name = queue
    request.workflow_task_timeout.FromSeconds(3)
    stub.StartWorkflowExecution(request, timeout=10)
    task = stub.PollWorkflowTaskQueue(poll, timeout=20)
    assert task.attempt in (1, 2)
    stub.RespondWorkflowTaskCompleted(completion(task.task_token), timeout=5)
    assert len(closing_event(stub, queue)) == 1
