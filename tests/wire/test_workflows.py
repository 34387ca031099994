"""The life of a workflow: timers, signals, queries, chains, and every way to end."""
import asyncio
import uuid
from datetime import timedelta

import pytest
import workflows
from conftest import worker_on
from temporalio import workflow
from temporalio.client import (
    WorkflowContinuedAsNewError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker


async def kinds(handle) -> list[str]:
    """The history of a run by event types, without what starts and schedules workflow tasks."""
    from temporalio.api.enums.v1 import EventType
    names = [EventType.Name(e.event_type).removeprefix("EVENT_TYPE_") for e in (await handle.fetch_history()).events]
    return [n for n in names if n not in ("WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED")]


async def ending(handle) -> BaseException:
    """What a workflow that did not complete ended with."""
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    return raised.value.cause


async def test_timers_fire_in_order(client, queue, new_id, worker):
    fired = await client.execute_workflow(workflows.TimersInOrder.run, [300, 10, 150], id=new_id(), task_queue=queue)
    assert fired == [10, 150, 300]


async def test_signals_arrive_once_and_in_order(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
    words = [f"word {n}" for n in range(20)]
    for word in words:
        await handle.signal(workflows.SignalLog.tell, word)
    assert await handle.query(workflows.SignalLog.so_far) == words
    await handle.signal(workflows.SignalLog.finish)
    assert await handle.result() == words
    assert (await kinds(handle)).count("WORKFLOW_EXECUTION_SIGNALED") == 21


async def test_signal_with_start(client, queue, new_id, worker):
    wid = new_id()

    async def tell(word):
        return await client.start_workflow(
            workflows.SignalLog.run, id=wid, task_queue=queue, start_signal="tell", start_signal_args=[word])

    first, second = await tell("one"), await tell("two")
    assert first.result_run_id == second.result_run_id
    await first.signal(workflows.SignalLog.finish)
    assert await first.result() == ["one", "two"]


async def test_queries(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
    assert await handle.query(workflows.SignalLog.so_far) == []
    with pytest.raises(WorkflowQueryFailedError, match="this query never works"):
        await handle.query(workflows.SignalLog.broken)
    with pytest.raises(WorkflowQueryFailedError, match="unheard"):
        await handle.query("unheard_of")
    await handle.signal(workflows.SignalLog.finish)
    await handle.result()
    assert await handle.query(workflows.SignalLog.so_far) == []
    with pytest.raises(WorkflowQueryRejectedError) as rejected:
        await handle.query(workflows.SignalLog.so_far, reject_condition=QueryRejectCondition.NOT_OPEN)
    assert rejected.value.status == WorkflowExecutionStatus.COMPLETED
    assert await kinds(handle) == ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_COMPLETED"]


async def test_approval_in_time_and_too_late(client, queue, new_id, worker):
    patient = await client.start_workflow(workflows.Approval.run, 20_000, id=new_id(), task_queue=queue)
    await patient.signal(workflows.Approval.decide, "granted")
    assert await patient.result() == "granted"
    assert await client.execute_workflow(workflows.Approval.run, 100, id=new_id(), task_queue=queue) == "expired"


async def test_continue_as_new(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.SumDown.run, args=[4, 0], id=new_id(), task_queue=queue)
    assert await handle.result() == 10
    with pytest.raises(WorkflowContinuedAsNewError) as continued:
        await handle.result(follow_runs=False)
    next_run = client.get_workflow_handle(handle.id, run_id=continued.value.new_execution_run_id)
    assert (await next_run.describe()).status == WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert await next_run.result() == 10
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED


async def test_saga(client, queue, new_id, worker):
    log = await client.execute_workflow(workflows.Trip.run, ["train", "room", "moon", "boat"], id=new_id(), task_queue=queue)
    assert log == ["booked train", "booked room", "unbooked room", "unbooked train"]


async def test_failure(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.Fails.run, id=new_id(), task_queue=queue)
    error = await ending(handle)
    assert isinstance(error, ApplicationError)
    assert (error.message, error.type, list(error.details)) == ("out of luck", "Luck", [{"left": 0}])
    assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED


async def test_cancel_lets_it_clean_up(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.CleansUp.run, id=new_id(), task_queue=queue)
    await handle.cancel()
    assert isinstance(await ending(handle), CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    history = await kinds(handle)
    assert "WORKFLOW_EXECUTION_CANCEL_REQUESTED" in history
    assert history[-3:] == ["ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_COMPLETED", "WORKFLOW_EXECUTION_CANCELED"]


async def test_terminate(client, queue, new_id):
    handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
    await handle.terminate("a detail", reason="no longer wanted")
    error = await ending(handle)
    assert isinstance(error, TerminatedError)
    assert (error.message, list(error.details)) == ("no longer wanted", ["a detail"])
    with pytest.raises(RPCError) as again:
        await handle.terminate()
    assert again.value.status == RPCStatusCode.NOT_FOUND


async def test_run_timeout(client, queue, new_id):
    handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue, run_timeout=timedelta(seconds=1))
    assert isinstance(await ending(handle), TimeoutError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.TIMED_OUT


async def test_ids_in_use(client, queue, new_id):
    wid = new_id()

    async def start(**policies):
        return await client.start_workflow(workflows.SignalLog.run, id=wid, task_queue=queue, **policies)

    first = await start()
    with pytest.raises(WorkflowAlreadyStartedError) as taken:
        await start()
    assert (taken.value.workflow_id, taken.value.run_id) == (wid, first.result_run_id)
    same = await start(id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    assert same.result_run_id == first.result_run_id
    other = await start(id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    assert other.result_run_id != first.result_run_id
    assert isinstance(await ending(first), TerminatedError)
    await other.terminate()
    with pytest.raises(WorkflowAlreadyStartedError):
        await start(id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)


async def test_unknown_workflow(client, new_id):
    handle = client.get_workflow_handle(new_id())
    for call in (handle.describe(), handle.signal("any"), handle.cancel(), handle.terminate(), handle.query("any"), handle.result()):
        with pytest.raises(RPCError) as missing:
            await call
        assert missing.value.status == RPCStatusCode.NOT_FOUND


async def test_describe_tells_what_was_given(client, queue, new_id, worker):
    handle = await client.start_workflow(
        workflows.SignalLog.run, id=new_id(), task_queue=queue, memo={"order": 7},
        static_summary="a summary", static_details="some details")
    description = await handle.describe()
    assert description.status == WorkflowExecutionStatus.RUNNING
    assert (description.id, description.run_id, description.workflow_type) == (handle.id, handle.result_run_id, "SignalLog")
    assert (description.task_queue, await description.memo()) == (queue, {"order": 7})
    assert (await description.static_summary(), await description.static_details()) == ("a summary", "some details")
    assert description.close_time is None
    assert description.start_time is not None
    await handle.signal(workflows.SignalLog.finish)
    await handle.result()
    closed = await handle.describe()
    assert closed.status == WorkflowExecutionStatus.COMPLETED
    assert closed.close_time >= closed.start_time
    assert closed.history_length == len((await handle.fetch_history()).events)


async def test_every_waiter_gets_the_result(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
    waiters = [asyncio.create_task(client.get_workflow_handle(handle.id).result()) for _ in range(5)]
    await handle.signal(workflows.SignalLog.tell, "heard")
    await handle.signal(workflows.SignalLog.finish)
    assert await asyncio.gather(*waiters) == [["heard"]] * 5


async def test_without_a_cache_the_whole_history_comes_each_time(client, queue, new_id):
    async with worker_on(client, queue, max_cached_workflows=0):
        handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
        for n in range(5):
            await handle.signal(workflows.SignalLog.tell, str(n))
            assert await handle.query(workflows.SignalLog.so_far) == [str(m) for m in range(n + 1)]
        await handle.signal(workflows.SignalLog.finish)
        assert await handle.result() == ["0", "1", "2", "3", "4"]


async def test_another_worker_takes_over(client, queue, new_id):
    """The sticky queue of a worker that is gone does not keep its workflows."""
    async with worker_on(client, queue):
        handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
        await handle.signal(workflows.SignalLog.tell, "to the first")
        assert await handle.query(workflows.SignalLog.so_far) == ["to the first"]
    await handle.signal(workflows.SignalLog.tell, "to nobody")
    async with worker_on(client, queue):
        await handle.signal(workflows.SignalLog.finish)
        assert await handle.result() == ["to the first", "to nobody"]


async def test_history_replays(client, queue, new_id, worker):
    handle = await client.start_workflow(workflows.Trip.run, ["train", "moon"], id=new_id(), task_queue=queue)
    await handle.result()
    history = await handle.fetch_history()
    assert [e.event_id for e in history.events] == list(range(1, len(history.events) + 1))
    assert history.run_id == handle.result_run_id
    await Replayer(workflows=workflows.ALL).replay_workflow(history)


_attempts: dict[str, int] = {}


@workflow.defn(sandboxed=False)
class TripsTwice:
    """A bug that a deployment mends: the workflow task fails until it no longer does."""

    @workflow.run
    async def run(self) -> int:
        wid = workflow.info().workflow_id
        _attempts[wid] = _attempts.get(wid, 0) + 1
        if _attempts[wid] < 3:
            raise RuntimeError("not mended yet")
        return _attempts[wid]


async def test_a_failing_workflow_task_is_tried_again(client, queue):
    async with Worker(client, task_queue=queue, workflows=[TripsTwice], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await client.start_workflow(TripsTwice.run, id=f"trips-{uuid.uuid4()}", task_queue=queue)
        assert await handle.result() == 3
    # Only the first failure is written: the attempts after it are transient.
    assert await kinds(handle) == ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_TASK_FAILED", "WORKFLOW_EXECUTION_COMPLETED"]


async def test_many_workflows_at_once(client, queue, new_id, worker):
    ids = [new_id() for _ in range(50)]
    results = await asyncio.gather(*(
        client.execute_workflow(workflows.Greeting.run, wid, id=wid, task_queue=queue) for wid in ids))
    assert results == [f"Hello, {wid}!" for wid in ids]
