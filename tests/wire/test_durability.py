"""On a file: what was acknowledged is there after `kill -9`, and goes on by itself."""
import asyncio

import workflows
from conftest import serving
from temporalio.client import WorkflowExecutionStatus


async def test_a_workflow_goes_on_after_a_kill(durable, queue, new_id):
    client = await durable.connect()
    async with serving(client, queue):
        handle = await client.start_workflow(workflows.SignalLog.run, id=new_id(), task_queue=queue)
        await handle.signal(workflows.SignalLog.tell, "before")
        assert await handle.query(workflows.SignalLog.so_far) == ["before"]
        durable.kill_and_start_again()
        await handle.signal(workflows.SignalLog.tell, "after")
        await handle.signal(workflows.SignalLog.finish)
        assert await handle.result() == ["before", "after"]


async def test_tasks_wait_for_a_worker_across_a_kill(durable, queue, new_id):
    client = await durable.connect()
    handles = [await client.start_workflow(workflows.Greeting.run, str(n), id=new_id(), task_queue=queue) for n in range(10)]
    durable.kill_and_start_again()
    async with serving(client, queue):
        assert await asyncio.gather(*(h.result() for h in handles)) == [f"Hello, {n}!" for n in range(10)]


async def test_a_timer_that_was_due_meanwhile_fires(durable, queue, new_id):
    client = await durable.connect()
    async with serving(client, queue):
        handle = await client.start_workflow(workflows.Approval.run, 300, id=new_id(), task_queue=queue)
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                break
        durable.kill_and_start_again()
        assert await handle.result() == "expired"


async def test_what_is_closed_stays_closed(durable, queue, new_id):
    client = await durable.connect()
    async with serving(client, queue):
        handle = await client.start_workflow(workflows.SumDown.run, args=[3, 0], id=new_id(), task_queue=queue)
        assert await handle.result() == 6
        before = await handle.describe()
        history = await handle.fetch_history()
        durable.kill_and_start_again()
        assert await handle.result() == 6
        after = await handle.describe()
        assert (after.status, after.run_id, after.close_time) == (WorkflowExecutionStatus.COMPLETED, before.run_id, before.close_time)
        assert (await handle.fetch_history()).to_json() == history.to_json()


async def test_a_stop_in_good_order_keeps_everything(durable, queue, new_id):
    client = await durable.connect()
    handle = await client.start_workflow(workflows.Greeting.run, "again", id=new_id(), task_queue=queue)
    assert durable.process.stop() == 0
    durable.process.start()
    async with serving(client, queue):
        assert await handle.result() == "Hello, again!"
