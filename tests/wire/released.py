"""A file as an earlier program left it when it was killed: something of everything that a file can hold.

    python tests/wire/released.py EXE FOLDER     makes it with that program, as FOLDER/evertide.db.gz and evertide.db-wal.gz

`test_upgrade.py` opens it with the program of today; so do the tests of the store on SQLite.
"""
import asyncio
import gzip
import sqlite3
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import activities
import workflows
from server_process import ServerProcess, dev_arguments
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

CUSTOMER = SearchAttributeKey.for_keyword("Customer")
AMOUNT = SearchAttributeKey.for_int("Amount")
REGION = SearchAttributeKey.for_keyword("Region")
ATTRIBUTES = ["Customer=Keyword", "Amount=Int"]

QUEUE = "released"
# Workers of this queue know no activities.
WITHOUT_ACTIVITIES = "released-without-activities"
# Nobody polls this one.
UNATTENDED = "released-unattended"

GREETED = ["Ada", "Grace", "Edsger"]
WAITING_GREETINGS = 5
# More than the records after which a snapshot is written.
SIGNALS = 70
LATE_SIGNALS = 5
YEAR_MS = 365 * 24 * 3600 * 1000
SUFFIXES = ["", "-wal"]


def customer(name: str, amount: int) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(CUSTOMER, name), SearchAttributePair(AMOUNT, amount)])


async def fill(client: Client):
    """What the tables hold in the end."""
    async with Worker(client, task_queue=QUEUE, workflows=workflows.ALL, activities=activities.ALL):
        for amount, name in enumerate(GREETED):
            await client.execute_workflow(
                workflows.Greeting.run, name, id=f"closed-{name}", task_queue=QUEUE, search_attributes=customer(name, amount))
        await client.execute_workflow(workflows.SumDown.run, args=[3, 0], id="closed-chain", task_queue=QUEUE)
        await started(client, workflows.Approval.run, 30 * YEAR_MS, id="open-timer", task_queue=QUEUE)
        await started(client, workflows.Approval.run, 10_000, id="due", task_queue=QUEUE)
        await started(client, workflows.SignalLog.run, id="open-signals", task_queue=QUEUE, search_attributes=customer("Ada", 70))
    handle = client.get_workflow_handle("open-signals")
    for number in range(SIGNALS):
        await handle.signal(workflows.SignalLog.tell, str(number))
    async with Worker(client, task_queue=WITHOUT_ACTIVITIES, workflows=workflows.ALL):
        await started(client, workflows.Greeting.run, "waiting", id="open-activity", task_queue=WITHOUT_ACTIVITIES)
    for number in range(WAITING_GREETINGS):
        await client.start_workflow(workflows.Greeting.run, str(number), id=f"open-unattended-{number}", task_queue=UNATTENDED)


async def started(client: Client, run, *args, **options):
    """Starts a workflow and waits until its worker has done what it can."""
    handle = await client.start_workflow(run, *args, **options)
    while (await handle.describe()).history_length < 4:
        await asyncio.sleep(0.02)


async def fill_shop(target: str):
    """A namespace of its own, with an attribute of its own."""
    shop = await Client.connect(target, namespace="shop")
    request = messages.UpdateNamespaceRequest(namespace="shop")
    request.update_info.description = "a shop"
    await shop.workflow_service.update_namespace(request)
    await shop.operator_service.add_search_attributes(attribute_request("Region"))
    region = TypedSearchAttributes([SearchAttributePair(REGION, "eu")])
    await shop.start_workflow(workflows.SignalLog.run, id="open-signals", task_queue=QUEUE, search_attributes=region)


def attribute_request(name: str):
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest

    return AddSearchAttributesRequest(namespace="shop", search_attributes={name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD})


async def fill_late(client: Client):
    """What only the log holds: the program is killed before it gets to the tables."""
    handle = client.get_workflow_handle("open-signals")
    for number in range(SIGNALS, SIGNALS + LATE_SIGNALS):
        await handle.signal(workflows.SignalLog.tell, str(number))
    await client.start_workflow(workflows.Greeting.run, "late", id="open-late", task_queue=UNATTENDED)
    await client.start_workflow(workflows.Greeting.run, "late", id="terminated-late", task_queue=UNATTENDED)
    await client.get_workflow_handle("terminated-late").terminate("too late")


async def make(exe: str, folder: Path):
    def arguments(port):
        attributes = [argument for attribute in ATTRIBUTES for argument in ("--search-attribute", attribute)]
        return dev_arguments(port, "--db-filename", str(path), "--namespace", "shop", *attributes)

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "evertide.db"
        with ServerProcess(exe, arguments) as process:
            client = await Client.connect(process.target)
            await fill(client)
            await fill_shop(process.target)
            await tables_written(path)
            await fill_late(client)
            process.kill()
        for suffix in SUFFIXES:
            data = path.with_name(path.name + suffix).read_bytes()
            folder.joinpath(f"{path.name}{suffix}.gz").write_bytes(gzip.compress(data, mtime=0))
        # Last, since the last connection that is closed takes SQLite's own log into the file.
        assert rows_in_log(path) > 0, "the program was not killed in time"


async def tables_written(path: Path):
    while rows_in_log(path) > 0:
        await asyncio.sleep(0.05)


def rows_in_log(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (rows,) = connection.execute("SELECT COUNT(*) FROM log").fetchone()
    connection.close()
    return rows


def unpack(folder: Path, path: Path):
    for suffix in SUFFIXES:
        path.with_name(path.name + suffix).write_bytes(gzip.decompress(folder.joinpath(f"evertide.db{suffix}.gz").read_bytes()))


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(make(sys.argv[1], Path(sys.argv[2])), timeout=timedelta(minutes=2).total_seconds()))
