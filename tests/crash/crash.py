#!/usr/bin/env python3
"""Kills the server under load, again and again, and checks that nothing that it acknowledged is lost.

    tests/crash/crash.py EXE [--kills 5] [--seed N] [--keep]      the long run: --kills 200

Clients of the official SDK start workflows, signal them and terminate some; a worker runs their activities and timers. At
random moments the process gets SIGKILL and is started again on the same file. After every restart, and at the end for all:

- every acknowledged start is there, and every acknowledged signal is in its history, once however often it had to be sent;
- event ids have no gaps, and the event that closes a run is one and the last;
- what was seen closed is closed, with the same history; what was terminated is terminated;
- every workflow ends, with the signals it was sent as its result.

A process that is killed leaves what it has written to the system, synced or not. So the syncs are counted first: at least one
for each acknowledged commit.
"""
import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import syncs  # noqa: E402
from server_process import NotStarted, ServerProcess, dev_arguments  # noqa: E402
from temporalio import activity, workflow  # noqa: E402
from temporalio.api.enums.v1 import EventType  # noqa: E402
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages  # noqa: E402
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError  # noqa: E402
from temporalio.common import RetryPolicy  # noqa: E402
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig  # noqa: E402
from temporalio.service import RPCError, RPCStatusCode  # noqa: E402
from temporalio.worker import UnsandboxedWorkflowRunner, Worker  # noqa: E402

QUEUE = "crash"
SIGNALS = 4
AT_ONCE = 12
# How many runs a check after a restart reads: the end of the test reads them all.
CHECKED_AFTER_RESTART = 40
TIME_BETWEEN_KILLS_S = (0.05, 1.5)
# A workflow whose task or activity was lost with the old process goes on when the timeouts below have passed.
END_TIMEOUT_S = 90
SHORTLY = timedelta(seconds=3)
CLOSING = {
    f"EVENT_TYPE_WORKFLOW_EXECUTION_{kind}"
    for kind in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW")
}
# What a call may answer while the server is down or has just come up.
AWAY = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.UNKNOWN}


@activity.defn
async def carry(number: int) -> int:
    activity.heartbeat(number)
    return number


@workflow.defn
class Order:
    """Takes its signals one by one, with an activity and a timer for each."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @workflow.run
    async def run(self) -> list[int]:
        for handled in range(SIGNALS):
            await workflow.wait_condition(lambda: len(self.seen) > handled)
            await workflow.execute_activity(
                carry, handled, start_to_close_timeout=SHORTLY, heartbeat_timeout=SHORTLY,
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), backoff_coefficient=1.0))
            await asyncio.sleep(0.02)
        return self.seen

    @workflow.signal
    def add(self, number: int) -> None:
        self.seen.append(number)


@dataclass
class Promise:
    """What the server has acknowledged of one workflow, and what was seen of it."""

    wid: str
    run_id: str
    signals: set[int] = field(default_factory=set)
    terminated: bool = False
    closed_with: bytes | None = None


class Broken(Exception):
    """The server did not keep a promise."""


async def insist(call):
    """Repeats a call until the server answers it: only an answer is a promise. A repeated request keeps its request id."""
    while True:
        try:
            return await call()
        except RPCError as e:
            if e.status not in AWAY:
                raise


class Load:
    """Clients at work: each takes one workflow after another from its start to its end."""

    def __init__(self, client: Client, seed: float):
        self.client, self.random = client, random.Random(seed)
        self.promises: dict[str, Promise] = {}
        self.stopping = False

    async def one(self):
        wid = f"order-{uuid.uuid4()}"
        promise = self.promises[wid] = Promise(wid, await self.start(wid))
        handle = self.client.get_workflow_handle(wid, run_id=promise.run_id)
        terminated_before = self.random.choice([None] * 5 + list(range(SIGNALS)))
        for number in range(SIGNALS):
            if number == terminated_before:
                await self.terminate(handle)
                promise.terminated = True
                return
            await self.signal(wid, number)
            promise.signals.add(number)
        got = await insist(handle.result)
        if got != list(range(SIGNALS)):
            raise Broken(f"{wid} ended with {got}")

    async def start(self, wid) -> str:
        request = messages.StartWorkflowExecutionRequest(
            namespace=self.client.namespace, workflow_id=wid, request_id=str(uuid.uuid4()), identity="crash")
        request.workflow_type.name = "Order"
        request.task_queue.name = QUEUE
        request.workflow_task_timeout.FromTimedelta(SHORTLY)
        return (await insist(lambda: self.client.workflow_service.start_workflow_execution(request, retry=True))).run_id

    async def signal(self, wid, number):
        request = messages.SignalWorkflowExecutionRequest(
            namespace=self.client.namespace, signal_name="add", request_id=str(uuid.uuid4()), identity="crash")
        request.workflow_execution.workflow_id = wid
        request.input.payloads.extend(await self.client.data_converter.encode([number]))
        try:
            await insist(lambda: self.client.workflow_service.signal_workflow_execution(request, retry=True))
        except RPCError as e:
            # The last signal lets the workflow end: then an earlier try got through and its answer was lost.
            if e.status != RPCStatusCode.NOT_FOUND or number != SIGNALS - 1:
                raise Broken(f"{wid}: signal {number} is refused: {e}") from e

    async def terminate(self, handle):
        try:
            await insist(lambda: handle.terminate(reason="changed my mind"))
        except RPCError as e:
            # It cannot have ended otherwise: an earlier try got through and its answer was lost.
            if e.status != RPCStatusCode.NOT_FOUND:
                raise

    async def keep_going(self):
        while not self.stopping:
            await self.one()


class Checker:
    """Reads what the server says of the promises."""

    def __init__(self, client: Client):
        self.client = client

    async def check(self, promise: Promise, *, at_end=False):
        signals, terminated = set(promise.signals), promise.terminated
        handle = self.client.get_workflow_handle(promise.wid, run_id=promise.run_id)
        try:
            history = await handle.fetch_history()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                raise Broken(f"{promise.wid}: the acknowledged start is lost") from e
            raise
        self.numbered(promise.wid, history.events)
        self.signalled(promise.wid, history.events, signals)
        self.closed(promise, history.events, terminated)
        if at_end:
            await self.ended(promise, handle)

    def is_closing(self, event):
        return EventType.Name(event.event_type) in CLOSING

    def numbered(self, wid, events):
        ids = [e.event_id for e in events]
        if ids != list(range(1, len(ids) + 1)):
            raise Broken(f"{wid}: event ids {ids}")

    def signalled(self, wid, events, acknowledged):
        got = [
            int(e.workflow_execution_signaled_event_attributes.input.payloads[0].data)
            for e in events if e.HasField("workflow_execution_signaled_event_attributes")
        ]
        # While a workflow task is started the server keeps signals back: they are written after what the task brings.
        tasks = [e for e in events if EventType.Name(e.event_type).startswith("EVENT_TYPE_WORKFLOW_TASK_")]
        held_back = bool(tasks) and tasks[-1].HasField("workflow_task_started_event_attributes") and not self.is_closing(events[-1])
        lost = acknowledged - set(got)
        if lost and not held_back:
            raise Broken(f"{wid}: acknowledged signals {sorted(lost)} are lost; there are {got}")
        if len(got) != len(set(got)):
            raise Broken(f"{wid}: a signal is there twice: {got}")

    def closed(self, promise, events, terminated):
        closing = [(e.event_id, EventType.Name(e.event_type)) for e in events if self.is_closing(e)]
        if len(closing) > 1 or closing and closing[0][0] != len(events):
            raise Broken(f"{promise.wid}: closed by {closing} of {len(events)} events")
        if terminated and (not closing or not closing[0][1].endswith("_TERMINATED")):
            raise Broken(f"{promise.wid}: was terminated, but its history says {closing or 'that it is open'}")
        text = b"".join(e.SerializeToString(deterministic=True) for e in events)
        if promise.closed_with is not None and promise.closed_with != text:
            raise Broken(f"{promise.wid}: its history was another one when it was seen closed before")
        if closing:
            promise.closed_with = text

    async def ended(self, promise, handle):
        status = (await handle.describe()).status
        wanted = WorkflowExecutionStatus.TERMINATED if promise.terminated else WorkflowExecutionStatus.COMPLETED
        if status != wanted:
            raise Broken(f"{promise.wid}: {status.name if status else None} at the end, {wanted.name} expected")


async def until_next_kill(seconds, working):
    """Lets the load run; if one of its clients ends, it has found something wrong."""
    done, _ = await asyncio.wait(working, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def storm(args, server, chance):
    # The SDK tells of every task that a kill made void and of polls that have to wait: that is what happens here all the time.
    quiet = Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="off")))
    client = await Client.connect(server.target, runtime=quiet)
    load, checker = Load(client, chance.random()), Checker(client)
    slowest_s = 0.0
    async with Worker(client, task_queue=QUEUE, workflows=[Order], activities=[carry], workflow_runner=UnsandboxedWorkflowRunner()):
        working = [asyncio.create_task(load.keep_going()) for _ in range(AT_ONCE)]
        try:
            for kill in range(1, args.kills + 1):
                await until_next_kill(chance.uniform(*TIME_BETWEEN_KILLS_S), working)
                server.kill()
                await asyncio.to_thread(server.start)
                slowest_s = max(slowest_s, server.ready_after_s)
                promises = list(load.promises.values())
                sample = promises[-CHECKED_AFTER_RESTART // 2:] + chance.sample(promises, min(len(promises), CHECKED_AFTER_RESTART // 2))
                for promise in {p.wid: p for p in sample}.values():
                    await insist(lambda promise=promise: checker.check(promise))
                if args.kills > 20 and kill % 20 == 0:
                    print(f"{kill} kills, {len(promises)} workflows", flush=True)
            load.stopping = True
            await asyncio.wait_for(asyncio.gather(*working), END_TIMEOUT_S)
            for promise in load.promises.values():
                await insist(lambda promise=promise: checker.check(promise, at_end=True))
        finally:
            for task in working:
                task.cancel()
    return load, slowest_s


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe", type=Path, help="the server's binary")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, help="of the moments and choices; the machine's own timing stays chance")
    parser.add_argument("--keep", action="store_true", help="keep the data file, even of a good run")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(2**32)
    folder = Path(tempfile.mkdtemp(prefix="evertide-crash-"))
    file = folder / "evertide.db"
    server = ServerProcess(args.exe, lambda port: dev_arguments(port, "--db-filename", str(file)))
    print(f"seed {seed}, file {file}", flush=True)
    begin = time.monotonic()
    try:
        print(syncs.check(args.exe, folder), flush=True)
        with server:
            load, slowest_s = asyncio.run(storm(args, server, random.Random(seed)))
    except (Broken, syncs.NotDurable, NotStarted, RPCError, WorkflowFailureError, asyncio.TimeoutError) as e:
        print(f"FAIL after {time.monotonic() - begin:.0f} s: {type(e).__name__}: {e}; the file is kept")
        print("0 passed, 1 failed")
        return 1
    signals = sum(len(p.signals) for p in load.promises.values())
    print(f"{args.kills} kills, {len(load.promises)} workflows, {signals} signals, {time.monotonic() - begin:.0f} s; "
          f"slowest restart served after {slowest_s * 1000:.0f} ms")
    if not args.keep:
        shutil.rmtree(folder)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
