"""Activities: results, retries, failures, timeouts, heartbeats, cancellation, completion by somebody else."""
import activities
import pytest
import workflows
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

pytestmark = pytest.mark.usefixtures("worker")


async def activity_error(client, queue, new_id, workflow, *args) -> ActivityError:
    """The error of an activity that fails its workflow."""
    with pytest.raises(WorkflowFailureError) as raised:
        await client.execute_workflow(workflow, args=args, id=new_id(), task_queue=queue)
    assert isinstance(raised.value.cause, ActivityError)
    return raised.value.cause


async def test_result(client, queue, new_id):
    assert await client.execute_workflow(workflows.Greeting.run, "tide", id=new_id(), task_queue=queue) == "Hello, tide!"


async def test_local_activity(client, queue, new_id):
    assert await client.execute_workflow(workflows.LocalGreeting.run, "tide", id=new_id(), task_queue=queue) == "Hello, tide!"


async def test_retried_until_success(client, queue, new_id):
    assert await client.execute_workflow(workflows.Retried.run, args=[4, 0], id=new_id(), task_queue=queue) == 4


async def test_attempts_exhausted(client, queue, new_id):
    error = await activity_error(client, queue, new_id, workflows.Retried.run, 4, 2)
    assert error.retry_state.name == "MAXIMUM_ATTEMPTS_REACHED"
    assert isinstance(error.cause, ApplicationError)
    assert error.cause.message == "attempt 2 of 4"


async def test_failure_arrives_whole(client, queue, new_id):
    error = await activity_error(client, queue, new_id, workflows.Refused.run, "closed today")
    assert error.activity_type == "refuse"
    assert error.retry_state.name == "NON_RETRYABLE_FAILURE"
    assert isinstance(error.cause, ApplicationError)
    assert (error.cause.message, error.cause.type, list(error.cause.details)) == ("refused", "Refused", ["closed today", 42])
    assert error.cause.non_retryable


async def test_heartbeat_details_reach_the_next_attempt(client, queue, new_id):
    assert await client.execute_workflow(workflows.Stalled.run, id=new_id(), task_queue=queue) == [2, "half way", 50]


@pytest.mark.parametrize(("workflow", "kind"), [
    (workflows.TimedOut.run, TimeoutType.START_TO_CLOSE),
    (workflows.NobodyThere.run, TimeoutType.SCHEDULE_TO_START),
])
async def test_timeout(client, queue, new_id, workflow, kind):
    error = await activity_error(client, queue, new_id, workflow)
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type == kind


async def test_cancellation_reaches_a_running_activity(client, queue, new_id):
    handle = await client.start_workflow(workflows.CancelsActivity.run, id=new_id(), task_queue=queue)
    await activities.token_of(handle.id)
    await handle.signal(workflows.CancelsActivity.cancel_it)
    assert await handle.result() == "CancelledError"


async def test_completed_by_its_token(client, queue, new_id):
    handle = await client.start_workflow(workflows.HandsOut.run, id=new_id(), task_queue=queue)
    token = await activities.token_of(handle.id)
    await client.get_async_activity_handle(task_token=token).complete("done elsewhere")
    assert await handle.result() == "done elsewhere"


async def test_failed_by_its_token(client, queue, new_id):
    handle = await client.start_workflow(workflows.HandsOut.run, id=new_id(), task_queue=queue)
    token = await activities.token_of(handle.id)
    await client.get_async_activity_handle(task_token=token).fail(ApplicationError("lost elsewhere", non_retryable=True))
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert raised.value.cause.cause.message == "lost elsewhere"


async def test_many_at_once(client, queue, new_id):
    assert await client.execute_workflow(workflows.FanOut.run, 30, id=new_id(), task_queue=queue) == sum(n * n for n in range(30))
