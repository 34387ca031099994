"""Clients and workers that make every kind of call, over gRPC as it stands on the wire."""
import asyncio
import uuid
from collections import Counter

import commands
import grpc
from commands import QUEUE
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import EventType
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator_messages
from temporalio.api.operatorservice.v1 import service_pb2_grpc as operator_service
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages
from temporalio.api.workflowservice.v1 import service_pb2_grpc

TIMEOUT_S = 30
SETTINGS = ["--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"]
WORKERS = 8
CLIENTS = 16
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
# What a caller may hear when the workflow that it asks for has ended meanwhile, or is being changed by another caller.
MEANWHILE = {
    grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED, grpc.StatusCode.INVALID_ARGUMENT,
}


class Wrong(Exception):
    """The server did not do what it should."""


async def complete(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Clients:
    """Connections to the server."""

    def __init__(self, target):
        self.target = target

    async def __aenter__(self):
        self.channel = grpc.aio.insecure_channel(self.target, options=OPTIONS)
        self.workflows = service_pb2_grpc.WorkflowServiceStub(self.channel)
        self.operators = operator_service.OperatorServiceStub(self.channel)
        return self

    async def __aexit__(self, *_):
        await self.channel.close()

    async def call(self, method, request, timeout=TIMEOUT_S):
        stub = self.workflows if hasattr(self.workflows, method) else self.operators
        try:
            return await getattr(stub, method)(request, timeout=timeout)
        except grpc.aio.AioRpcError as e:
            raise Wrong(f"{method}: {e.code().name}: {e.details()}") from e

    async def try_call(self, method, request, fine=frozenset(MEANWHILE), timeout=TIMEOUT_S):
        """The answer, or the code of a refusal that has a reason."""
        stub = self.workflows if hasattr(self.workflows, method) else self.operators
        try:
            return await getattr(stub, method)(request, timeout=timeout)
        except grpc.aio.AioRpcError as e:
            if e.code() in fine:
                return e.code()
            raise Wrong(f"{method}: {e.code().name}: {e.details()}") from e

    async def expect(self, method, request, code):
        if await self.try_call(method, request, {code}) != code:
            raise Wrong(f"{method} is not refused with {code.name}")

    async def abandon(self, method, request, deadline_s):
        """A call whose caller does not wait long."""
        await self.try_call(method, request, MEANWHILE | {grpc.StatusCode.DEADLINE_EXCEEDED}, deadline_s)

    async def go_away(self, method, request, after_s):
        """A call whose caller goes away long before its deadline."""
        stub = self.workflows if hasattr(self.workflows, method) else self.operators
        call = getattr(stub, method)(request, timeout=TIMEOUT_S)
        done, _ = await asyncio.wait([asyncio.ensure_future(call.code())], timeout=after_s)
        if not done:
            call.cancel()
        elif done.pop().result() not in MEANWHILE | {grpc.StatusCode.OK}:
            raise Wrong(f"{method}: {(await call.code()).name}: {await call.details()}")

    async def poll_workflow(self, queue, deadline_s):
        request = messages.PollWorkflowTaskQueueRequest(namespace="default", identity="soak")
        request.task_queue.name = queue
        return await self._poll("PollWorkflowTaskQueue", request, deadline_s)

    async def poll_activity(self, queue, deadline_s):
        request = messages.PollActivityTaskQueueRequest(namespace="default", identity="soak")
        request.task_queue.name = queue
        return await self._poll("PollActivityTaskQueue", request, deadline_s)

    async def _poll(self, method, request, deadline_s):
        answer = await self.try_call(method, request, {grpc.StatusCode.DEADLINE_EXCEEDED}, deadline_s)
        return None if isinstance(answer, grpc.StatusCode) else answer

    async def start(self, wid, workflow_type, queue=QUEUE, task_timeout_s=0, **fields):
        request = messages.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=wid, request_id=str(uuid.uuid4()), identity="soak", **fields)
        request.workflow_type.name, request.task_queue.name = workflow_type, queue
        if task_timeout_s:
            request.workflow_task_timeout.seconds = task_timeout_s
        return await self.call("StartWorkflowExecution", request)

    async def closed(self, wid, run_id=""):
        """Waits for the end of a workflow, whichever run that is in."""
        while True:
            request = messages.GetWorkflowExecutionHistoryRequest(namespace="default", wait_new_event=True, history_event_filter_type=2)
            request.execution.workflow_id, request.execution.run_id = wid, run_id
            page = await self.call("GetWorkflowExecutionHistory", request)
            if page.history.events:
                last = page.history.events[-1]
                next_run = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
                next_run = next_run or last.workflow_execution_completed_event_attributes.new_execution_run_id
                next_run = next_run or last.workflow_execution_failed_event_attributes.new_execution_run_id
                if not next_run:
                    return last
                run_id = next_run

    async def terminate(self, wid, missing_is_fine=False):
        request = messages.TerminateWorkflowExecutionRequest(namespace="default")
        request.workflow_execution.workflow_id = wid
        await self.try_call("TerminateWorkflowExecution", request, {grpc.StatusCode.NOT_FOUND} if missing_is_fine else frozenset())


# -- workers -----------------------------------------------------------------------------------------------------------


async def workflow_worker(clients, chance):
    while True:
        task = await clients.poll_workflow(QUEUE, chance.choice([2.5, 6]))
        while task and task.task_token:
            task = await answer_workflow_task(clients, task, chance)


async def answer_workflow_task(clients, task, chance):
    """Answers a task, and returns the next one if that comes with the answer."""
    if task.HasField("query"):
        answer = messages.RespondQueryTaskCompletedRequest(namespace="default", task_token=task.task_token, completed_type=1)
        answer.query_result.payloads.add(data=b"1")
        await clients.try_call("RespondQueryTaskCompleted", answer)
        return None
    if chance.random() < 0.02:
        failed = messages.RespondWorkflowTaskFailedRequest(namespace="default", task_token=task.task_token, cause=24)
        await clients.try_call("RespondWorkflowTaskFailed", failed)
        return None
    updates, places = commands.answer_updates(task.messages)
    decided = commands.decide(task.workflow_type.name, task.workflow_execution.workflow_id, task.history.events)
    request = messages.RespondWorkflowTaskCompletedRequest(
        namespace="default", task_token=task.task_token, identity="soak", messages=updates, commands=places + decided,
        return_new_workflow_task=chance.random() < 0.2)
    for query_id in task.queries:
        request.query_results[query_id].result_type = 1
        request.query_results[query_id].answer.payloads.add(data=b"1")
    answer = await clients.try_call("RespondWorkflowTaskCompleted", request)
    return None if isinstance(answer, grpc.StatusCode) else answer.workflow_task


async def activity_worker(clients, chance):
    while True:
        task = await clients.poll_activity(QUEUE, chance.choice([2.5, 6]))
        if not task or not task.task_token:
            continue
        if chance.random() < 0.3:
            await clients.try_call("RecordActivityTaskHeartbeat", messages.RecordActivityTaskHeartbeatRequest(
                namespace="default", task_token=task.task_token))
        if chance.random() < 0.1 and task.attempt < 3:
            failed = messages.RespondActivityTaskFailedRequest(namespace="default", task_token=task.task_token)
            failed.failure.message = "again"
            failed.failure.application_failure_info.type = "again"
            await clients.try_call("RespondActivityTaskFailed", failed)
        else:
            await clients.try_call("RespondActivityTaskCompleted", messages.RespondActivityTaskCompletedRequest(
                namespace="default", task_token=task.task_token))


# -- clients -----------------------------------------------------------------------------------------------------------


class Caller:
    """One client in one round: each method is one kind of thing to do."""

    def __init__(self, clients, chance, name):
        self.clients, self.chance, self.name = clients, chance, name
        self.number = 0
        self.done = Counter()

    def new_id(self):
        self.number += 1
        return f"{self.name}-{self.number}"

    def request(self, kind, wid, **fields):
        made = getattr(messages, f"{kind}Request")(namespace="default", **fields)
        named = made.workflow_execution if "workflow_execution" in made.DESCRIPTOR.fields_by_name else made.execution
        named.workflow_id = wid
        return made

    async def do_one(self):
        kind = self.chance.choice(sorted(KINDS))
        await getattr(self, kind)()
        self.done[kind] += 1

    async def _run_to_the_end(self, workflow_type, **fields):
        wid = self.new_id()
        started = await self.clients.start(wid, workflow_type, **fields)
        return wid, await self.clients.closed(wid, started.run_id)

    async def _completes(self, workflow_type):
        wid, last = await self._run_to_the_end(workflow_type)
        if last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            raise Wrong(f"{wid}, of type {workflow_type}, ended with {EventType.Name(last.event_type)}")

    async def noop(self):
        await self._completes("noop")

    async def activities(self):
        await self._completes("activity")

    async def timers(self):
        await self._completes("timer")

    async def children(self):
        await self._completes("child")

    async def continue_as_new(self):
        await self._completes("again")

    async def retry(self):
        policy = RetryPolicy(maximum_attempts=2)
        policy.initial_interval.FromMilliseconds(50)
        await self._run_to_the_end("failing", retry_policy=policy)

    async def cron(self):
        wid = self.new_id()
        await self.clients.start(wid, "cron", cron_schedule="@every 1s")
        await self.clients.terminate(wid)

    async def _waiting(self):
        wid = self.new_id()
        await self.clients.start(wid, "waiting")
        return wid

    async def _signal(self, wid):
        await self.clients.call("SignalWorkflowExecution", self.request(
            "SignalWorkflowExecution", wid, signal_name="signal", request_id=str(uuid.uuid4())))

    async def signals(self):
        wid = await self._waiting()
        for _ in range(5):
            await self._signal(wid)
        request = messages.SignalWithStartWorkflowExecutionRequest(
            namespace="default", workflow_id=wid, request_id=str(uuid.uuid4()), signal_name="signal", workflow_id_conflict_policy=2)
        request.workflow_type.name, request.task_queue.name = "waiting", QUEUE
        await self.clients.call("SignalWithStartWorkflowExecution", request)
        await self.clients.terminate(wid)

    def _update(self, wid):
        request = self.request("UpdateWorkflowExecution", wid)
        request.request.meta.update_id, request.request.input.name = str(uuid.uuid4()), "update"
        request.wait_policy.lifecycle_stage = 3
        return request

    async def updates(self):
        wid = await self._waiting()
        for _ in range(3):
            answer = await self.clients.call("UpdateWorkflowExecution", self._update(wid))
            if not answer.outcome.HasField("success"):
                raise Wrong(f"an update of {wid} ended with {answer}")
        await self.clients.terminate(wid)

    async def update_with_start(self):
        wid = self.new_id()
        start = messages.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=wid, request_id=str(uuid.uuid4()), workflow_id_conflict_policy=2)
        start.workflow_type.name, start.task_queue.name = "waiting", QUEUE
        request = messages.ExecuteMultiOperationRequest(namespace="default")
        request.operations.add().start_workflow.CopyFrom(start)
        request.operations.add().update_workflow.CopyFrom(self._update(wid))
        await self.clients.call("ExecuteMultiOperation", request)
        await self.clients.terminate(wid)

    async def queries(self):
        wid = await self._waiting()
        request = self.request("QueryWorkflow", wid)
        request.query.query_type = "query"
        # A query of a workflow whose first task fails again and again is refused.
        await self.clients.try_call("QueryWorkflow", request)
        await self.clients.terminate(wid)

    async def cancel(self):
        wid = await self._waiting()
        await self.clients.call("RequestCancelWorkflowExecution", self.request("RequestCancelWorkflowExecution", wid))
        await self.clients.closed(wid)

    async def reset(self):
        wid = await self._waiting()
        await self._signal(wid)
        await self.clients.call("UpdateWorkflowExecution", self._update(wid))
        request = self.request("ResetWorkflowExecution", wid, request_id=str(uuid.uuid4()), workflow_task_finish_event_id=4)
        await self.clients.try_call("ResetWorkflowExecution", request)
        await self.clients.terminate(wid)

    async def delete(self):
        wid = await self._waiting()
        await self.clients.call("DeleteWorkflowExecution", self.request("DeleteWorkflowExecution", wid))

    async def pause(self):
        wid = await self._waiting()
        await self.clients.call("PauseWorkflowExecution", messages.PauseWorkflowExecutionRequest(
            namespace="default", workflow_id=wid, request_id=str(uuid.uuid4())))
        await self.clients.call("UnpauseWorkflowExecution", messages.UnpauseWorkflowExecutionRequest(
            namespace="default", workflow_id=wid, request_id=str(uuid.uuid4())))
        await self.clients.terminate(wid)

    async def describe(self):
        wid = await self._waiting()
        await self.clients.call("DescribeWorkflowExecution", self.request("DescribeWorkflowExecution", wid))
        await self.clients.expect("DescribeWorkflowExecution", self.request(
            "DescribeWorkflowExecution", f"unknown-{uuid.uuid4()}"), grpc.StatusCode.NOT_FOUND)
        await self.clients.terminate(wid)

    async def abandon(self):
        """Long calls whose callers go away."""
        wid, queue = self.new_id(), f"queue-{uuid.uuid4()}"
        await self.clients.start(wid, "waiting", queue)
        history = self.request("GetWorkflowExecutionHistory", wid, wait_new_event=True, history_event_filter_type=2)
        query = self.request("QueryWorkflow", wid)
        query.query.query_type = "query"
        await asyncio.gather(
            self.clients.abandon("GetWorkflowExecutionHistory", history, 0.05),
            self.clients.abandon("UpdateWorkflowExecution", self._update(wid), 0.05),
            self.clients.abandon("QueryWorkflow", query, 0.05))
        await self.clients.terminate(wid)

    async def poll_elsewhere(self):
        def polls(method):
            for number in range(10):
                request = getattr(messages, f"{method}Request")(namespace="default", identity="elsewhere")
                request.task_queue.name = f"{self.name}-{self.number}-{number}"
                yield self.clients.go_away(method, request, 0.1)

        self.number += 1
        await asyncio.gather(*polls("PollWorkflowTaskQueue"), *polls("PollActivityTaskQueue"))

    async def lists(self):
        await self.clients.call("ListWorkflowExecutions", messages.ListWorkflowExecutionsRequest(namespace="default", page_size=50))
        await self.clients.call("CountWorkflowExecutions", messages.CountWorkflowExecutionsRequest(
            namespace="default", query="ExecutionStatus = 'Running'"))

    async def heartbeats(self):
        request = messages.RecordWorkerHeartbeatRequest(namespace="default", identity="soak")
        heartbeat = request.worker_heartbeat.add(worker_instance_key=str(uuid.uuid4()))
        heartbeat.task_queue = QUEUE
        # Not every server has it.
        await self.clients.try_call("RecordWorkerHeartbeat", request, MEANWHILE | {grpc.StatusCode.UNIMPLEMENTED})

    async def task_queues(self):
        request = messages.DescribeTaskQueueRequest(namespace="default", task_queue_type=1)
        request.task_queue.name = QUEUE
        await self.clients.call("DescribeTaskQueue", request)
        request.task_queue.name = f"unknown-{uuid.uuid4()}"
        await self.clients.call("DescribeTaskQueue", request)

    async def namespaces(self):
        name = f"ns-{uuid.uuid4()}"
        register = messages.RegisterNamespaceRequest(namespace=name)
        register.workflow_execution_retention_period.seconds = 3600 * 24
        await self.clients.call("RegisterNamespace", register)
        await self.clients.call("DescribeNamespace", messages.DescribeNamespaceRequest(namespace=name))
        await self.clients.call("DeleteNamespace", operator_messages.DeleteNamespaceRequest(namespace=name))


KINDS = {name for name in vars(Caller) if not name.startswith("_") and name not in {"new_id", "request", "do_one"}}


async def run_round(clients, calls, chance, number):
    """Lets clients do so many things, each kind at least once on the average; all workflows have ended when it returns."""
    workers = [asyncio.create_task(workflow_worker(clients, chance)) for _ in range(WORKERS)]
    workers += [asyncio.create_task(activity_worker(clients, chance)) for _ in range(WORKERS // 2)]
    callers = [Caller(clients, chance, f"round-{number}-{n}-{uuid.uuid4()}") for n in range(CLIENTS)]

    async def lane(caller):
        for _ in range(calls // CLIENTS):
            await caller.do_one()

    lanes = [asyncio.create_task(lane(caller)) for caller in callers]
    try:
        waiting = set(lanes)
        while waiting:
            done, pending = await asyncio.wait(waiting | set(workers), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # A worker ends only by what is wrong.
            waiting = waiting & pending
    finally:
        await complete(lanes + workers)
    return sum((caller.done for caller in callers), Counter())
