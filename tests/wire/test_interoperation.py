"""The Python handle and the Rust handle on the same workflows, run by the Python SDK's worker and by the official Rust SDK's."""
import asyncio
import json
import subprocess

import pytest
import pytest_asyncio
import workflows
from conftest import file_named_by, worker_on
from sides import ATTRIBUTES, PythonSide, Refused, RustSide
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

PYTHON_QUEUE, RUST_QUEUE = "ledgers-in-python", "ledgers-in-rust"
STOP_TIMEOUT_S = 20


@pytest.fixture(scope="session")
def program() -> str:
    return file_named_by("EVERTIDE_INTEROP")


@pytest.fixture(scope="session")
def address(environment) -> str:
    return environment.client.service_client.config.target_host


@pytest_asyncio.fixture(scope="session")
async def sides(environment, address, program):
    await environment.client.operator_service.add_search_attributes(AddSearchAttributesRequest(
        namespace=environment.client.namespace,
        search_attributes={name: key.indexed_value_type for name, key in ATTRIBUTES.items()}))
    rust = await RustSide.start(program, address)
    yield {"python": PythonSide(environment.client), "rust": rust}
    await rust.stop()


@pytest_asyncio.fixture(scope="session", autouse=True)
async def workers(environment, address, program):
    """Both workers, each on a queue of its own."""
    with subprocess.Popen([program, "work", address, RUST_QUEUE], stdin=subprocess.PIPE) as official:
        async with worker_on(environment.client, PYTHON_QUEUE):
            yield
        official.stdin.close()
        assert official.wait(STOP_TIMEOUT_S) == 0


@pytest.fixture(params=["python", "rust"])
def side(sides, request):
    """The handle that a test uses."""
    return sides[request.param]


@pytest.fixture
def other(sides, side):
    """The handle of the other language."""
    return next(s for s in sides.values() if s is not side)


@pytest.fixture(params=[PYTHON_QUEUE, RUST_QUEUE])
def ledgers(request):
    """The queue of the worker that runs a test's ledgers."""
    return request.param


@pytest.fixture
def ledger(side, ledgers, new_id):
    """Starts a ledger by the side under test."""
    async def start(total=0, **options):
        return await side.start_workflow("Ledger", total, id=new_id(), task_queue=ledgers, **options)
    return start


async def refusal_of(call) -> dict:
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.what


def same(what: dict, expected: dict):
    """Whether a refusal is as expected. A message of Rust's own is not compared where Python has none."""
    assert {key: value for key, value in what.items() if key in expected} == expected


async def test_one_starts_and_the_other_drives(side, other, ledger):
    ref = await ledger(5)
    assert ref["first_execution_run_id"] == ref["result_run_id"]
    await other.signal(ref, "add", 10)
    assert await other.query(ref, "total") == await side.query(ref, "total") == 15
    assert await other.execute_update(ref, "deposit", 7) == 22
    await other.signal(ref, "close", "finish")
    assert await side.result(ref) == await other.result(ref) == 22


async def test_failed_queries_and_rejected_ones(side, ledger):
    ref = await ledger()
    failed = await refusal_of(side.query(ref, "broken"))
    assert failed["kind"] == "QueryFailed"
    assert "this query never works" in failed["message"]
    assert (await refusal_of(side.query(ref, "unheard_of")))["kind"] == "QueryFailed"
    assert await side.query(ref, "total", open_only=True) == 0
    await side.signal(ref, "close", "finish")
    await side.result(ref)
    rejected = await refusal_of(side.query(ref, "total", open_only=True))
    same(rejected, {"kind": "QueryRejected", "status": "WORKFLOW_EXECUTION_STATUS_COMPLETED"})
    assert await side.query(ref, "total") == 0


async def test_an_update_of_one_is_waited_for_by_the_other(side, other, ledger):
    ref = await ledger()
    update = await side.start_update(ref, "reach", 3, id="reach-3")
    assert update == {"id": "reach-3", "workflow_run_id": ref["result_run_id"]}
    waiting = asyncio.create_task(other.update_result(ref, "reach-3"))
    assert await other.start_update(ref, "reach", 3, id="reach-3") == update, "the same id is the same update"
    await other.signal(ref, "add", 3)
    assert await waiting == await side.update_result(ref, "reach-3") == 3


async def test_updates_that_are_refused_or_fail(side, other, ledger, ledgers):
    ref = await ledger()
    refused = await refusal_of(side.execute_update(ref, "deposit", -1))
    assert refused["kind"] == "UpdateFailed"
    assert "no negative amounts" in refused["chain"][0]["message"]
    full = {"kind": "Application", "message": "the safe is full"}
    if ledgers == PYTHON_QUEUE:  # The Rust SDK's worker sends no more than the message.
        full |= {"type": "Full", "details": [2000]}
    failed = await refusal_of(side.execute_update(ref, "deposit", 2000))
    assert failed["kind"] == "UpdateFailed"
    same(failed["chain"][0], full)
    await side.start_update(ref, "deposit", 2000, id="too-much")
    same((await refusal_of(other.update_result(ref, "too-much")))["chain"][0], full)
    assert await side.query(ref, "total") == 0


async def test_a_failure_with_its_details(side, other, ledger):
    ref = await ledger(13)
    await side.signal(ref, "close", "fail")
    failure = {"kind": "Application", "message": "out of luck", "type": "Luck", "non_retryable": False, "details": [13]}
    for each in side, other:
        what = await refusal_of(each.result(ref))
        assert what["kind"] == "WorkflowFailed"
        assert what["chain"][0] == failure


async def test_both_see_the_same_chain_of_causes(sides, new_id):
    ref = await sides["rust"].start_workflow("Ledger", 0, id=new_id(), task_queue=PYTHON_QUEUE)
    await sides["rust"].signal(ref, "close", "refuse")
    activity = {"kind": "Activity", "type": "refuse", "retry_state": "RETRY_STATE_NON_RETRYABLE_FAILURE"}
    refused = {"kind": "Application", "message": "refused", "type": "Refused", "non_retryable": True, "details": ["no more", 42]}
    chains = [(await refusal_of(each.result(ref)))["chain"] for each in sides.values()]
    assert chains[0] == chains[1]
    same(chains[0][0], activity)
    assert chains[0][1] == refused


async def test_a_cancellation_with_its_reason(side, other, ledger):
    ref = await ledger()
    await side.cancel(ref, "changed my mind")
    for each in side, other:
        what = await refusal_of(each.result(ref))
        assert what["kind"] == "WorkflowFailed"
        assert what["chain"] == [{"kind": "Cancelled", "message": "Workflow cancelled", "details": []}]
    events = json.loads(await other.fetch_history(ref))["events"]
    requests = [e for e in events if e["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED"]
    assert [r["workflowExecutionCancelRequestedEventAttributes"]["cause"] for r in requests] == ["changed my mind"]


async def test_a_termination_with_its_details(side, other, ledger):
    ref = await ledger()
    await side.terminate(ref, "no longer wanted", {"by": "Ada"}, 7)
    terminated = {"kind": "Terminated", "message": "no longer wanted", "details": [{"by": "Ada"}, 7]}
    for each in side, other:
        what = await refusal_of(each.result(ref))
        assert what["kind"] == "WorkflowFailed"
        assert what["chain"] == [terminated]
        same(await refusal_of(each.terminate(ref, "again")), {"kind": "Rpc", "code": 5})


async def test_a_chain_of_runs_is_followed(side, other, ledger):
    ref = await ledger(1)
    await side.signal(ref, "close", "hand over")
    for each in side, other:
        what = await refusal_of(each.result(ref, follow_runs=False))
        assert what["kind"] == "WorkflowContinuedAsNew"
        assert what["new_run_id"] == (await each.describe(ref))["run_id"], "a handle of a start describes the latest run"
    await other.signal(ref, "add", 1)
    await other.signal(ref, "close", "finish")
    assert await side.result(ref) == await other.result(ref) == 2
    first = {**ref, "run_id": ref["result_run_id"]}
    assert (await other.describe(first))["status"] == "WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW"


async def test_both_describe_the_same(side, other, ledger):
    attributes = {
        "InteropText": "some words", "InteropKeyword": "one", "InteropInt": -3, "InteropDouble": 1.5, "InteropBool": True,
        "InteropDatetime": 1_700_000_000, "InteropKeywordList": ["a", "b"]}
    memo = {"order": 7, "customer": {"name": "Ada", "tags": ["new", None]}, "note": "räksmörgås"}
    ref = await ledger(0, memo=memo, search_attributes=attributes, summary="a summary", details="some *details*")
    await side.query(ref, "total")
    told = await side.describe(ref)
    assert told == await other.describe(ref)
    assert told["search_attributes"] == attributes
    assert told["memo"] == memo
    assert (told["summary"], told["details"]) == ("a summary", "some *details*")
    assert (told["type"], told["status"]) == ("Ledger", "WORKFLOW_EXECUTION_STATUS_RUNNING")
    assert (told["run_id"], told["closed"]) == (ref["result_run_id"], None)
    await side.signal(ref, "close", "finish")
    await side.result(ref)
    assert await side.describe(ref) == await other.describe(ref)


async def test_an_id_that_is_taken(side, other, ledger):
    ref = await ledger()
    again = {"id": ref["workflow_id"], "task_queue": PYTHON_QUEUE}
    for each in side, other:
        same(await refusal_of(each.start_workflow("Ledger", 0, **again)), {"kind": "WorkflowAlreadyStarted", "run_id": ref["result_run_id"]})


async def test_an_unknown_workflow(side, new_id):
    ref = {"workflow_id": new_id()}
    for call in (side.describe(ref), side.signal(ref, "add", 1), side.cancel(ref, ""), side.terminate(ref, ""), side.query(ref, "total"),
                 side.execute_update(ref, "deposit", 1), side.result(ref)):
        same(await refusal_of(call), {"kind": "Rpc", "code": 5})


async def test_histories_are_the_same_text(side, other, ledger):
    """What one writes, the other writes in the same letters, and reads."""
    ref = await ledger(3, memo={"note": "räksmörgås <&> \u2028 😀"})
    await side.execute_update(ref, "deposit", 7)
    await refusal_of(side.execute_update(ref, "deposit", 2000))
    await side.signal(ref, "close", "fail")
    await refusal_of(side.result(ref))
    text = await side.fetch_history(ref)
    assert text == await other.fetch_history(ref)
    assert await other.rewrite_history(text) == text
    assert WorkflowHistory.from_json(ref["workflow_id"], text).run_id == ref["result_run_id"]


async def test_histories_with_maps_are_the_same_json(side, other, ledger):
    """Python writes the entries of a map in any order, so only the order may differ."""
    attributes = {"InteropDatetime": 1_700_000_000, "InteropDouble": 0.1, "InteropKeywordList": ["a", "b"]}
    ref = await ledger(3, memo={str(n): n for n in range(9)}, search_attributes=attributes)
    await side.terminate(ref, "it shall not grow any more")
    text = await side.fetch_history(ref)
    history = json.loads(text)
    assert history == json.loads(await other.fetch_history(ref))
    assert history == json.loads(await other.rewrite_history(text))


async def test_a_history_of_rust_replays_in_python(sides, new_id):
    rust = sides["rust"]
    ref = await rust.start_workflow("Ledger", 3, id=new_id(), task_queue=PYTHON_QUEUE)
    assert await rust.execute_update(ref, "deposit", 7) == 10
    await rust.signal(ref, "close", "finish")
    assert await rust.result(ref) == 10
    history = WorkflowHistory.from_json(ref["workflow_id"], await rust.fetch_history(ref))
    await Replayer(workflows=workflows.ALL).replay_workflow(history)
