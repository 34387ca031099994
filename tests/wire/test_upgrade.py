"""A file of an earlier program, as it was left by a kill: today's program opens it, and everything in it goes on."""
import asyncio
from pathlib import Path

import pytest
import released
import workflows
from conftest import DurableServer, serving
from temporalio.client import Client, WorkflowExecutionStatus

DATA = Path(__file__).resolve().parents[2] / "crates/store-sqlite/tests/data"


@pytest.fixture(params=["v1"])
def upgraded(request, binary, tmp_path):
    released.unpack(DATA / request.param, tmp_path / "evertide.db")
    server = DurableServer(binary, tmp_path / "evertide.db")
    with server.process:
        yield server


async def ids(client: Client, query: str) -> set[str]:
    return {workflow.id async for workflow in client.list_workflows(query)}


async def test_everything_is_there(upgraded):
    client = await upgraded.connect()
    for _ in range(2):
        greeted = {f"closed-{name}" for name in released.GREETED}
        assert await ids(client, "ExecutionStatus = 'Completed'") == greeted | {"closed-chain"}
        assert await ids(client, "Customer = 'Ada'") == {"closed-Ada", "open-signals"}
        assert await ids(client, "Amount >= 2") == {"closed-Edsger", "open-signals"}
        assert (await client.count_workflows()).count == 18
        for name in released.GREETED:
            assert await client.get_workflow_handle(f"closed-{name}").result() == f"Hello, {name}!"
        assert await client.get_workflow_handle("closed-chain").result() == 6
        signals = await client.get_workflow_handle("open-signals").fetch_history()
        assert [event.event_id for event in signals.events] == list(range(1, len(signals.events) + 1))
        late = await client.get_workflow_handle("terminated-late").describe()
        assert late.status == WorkflowExecutionStatus.TERMINATED
        shop = await Client.connect(upgraded.process.target, namespace="shop")
        assert await ids(shop, "Region = 'eu'") == {"open-signals"}
        # What is upgraded is opened again as it is then.
        upgraded.kill_and_start_again()


async def test_everything_goes_on(upgraded):
    client = await upgraded.connect()
    signals = client.get_workflow_handle("open-signals", result_type=list)
    async with serving(client, released.QUEUE), serving(client, released.WITHOUT_ACTIVITIES), serving(client, released.UNATTENDED):
        await signals.signal(workflows.SignalLog.finish)
        assert await signals.result() == [str(number) for number in range(released.SIGNALS + released.LATE_SIGNALS)]
        assert await client.get_workflow_handle("open-activity").result() == "Hello, waiting!"
        waiting = [client.get_workflow_handle(f"open-unattended-{number}") for number in range(released.WAITING_GREETINGS)]
        greetings = await asyncio.gather(*(handle.result() for handle in waiting))
        assert greetings == [f"Hello, {number}!" for number in range(released.WAITING_GREETINGS)]
        assert await client.get_workflow_handle("open-late").result() == "Hello, late!"
        assert await client.get_workflow_handle("due").result() == "expired"
        timer = client.get_workflow_handle("open-timer")
        await timer.signal(workflows.Approval.decide, "yes")
        assert await timer.result() == "yes"
    assert await ids(client, "ExecutionStatus = 'Running'") == set()
