"""Known ways to make the server's memory grow, each with what it may leave behind."""
import asyncio
import uuid
from dataclasses import dataclass
from typing import Awaitable, Callable

import grpc
from load import Clients, Wrong, commands, complete
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages

MB = 1024


# What does not depend on how often something is done: caches that have a limit, the allocator's arenas.
BASE_KB = 16 * MB


@dataclass
class Figure:
    name: str
    count: int
    # What is left may be so much at full size, KiB, besides what does not depend on the size.
    left_kb: int
    run: Callable[[Clients, int], Awaitable[None]]
    # Whether fewer leave less: not so where a limit is what bounds it.
    scales: bool = True

    def limit_kb(self, scale):
        return BASE_KB + int(self.left_kb * (scale if self.scales else 1))


async def at_once(count, width, one):
    """`one(number)` for all numbers, so many at a time."""
    numbers = iter(range(count))

    async def lane():
        for number in numbers:
            await one(number)

    await asyncio.gather(*(lane() for _ in range(width)))


async def noop_workflows(clients, count):
    queue = f"noop-{uuid.uuid4()}"

    async def worker():
        while True:
            task = await clients.poll_workflow(queue, 5)
            if task and task.task_token:
                await clients.call("RespondWorkflowTaskCompleted", messages.RespondWorkflowTaskCompletedRequest(
                    namespace="default", task_token=task.task_token, commands=[commands.complete()]))

    async def one(number):
        started = await clients.start(f"{queue}-{number}", "noop", queue)
        await clients.closed(f"{queue}-{number}", started.run_id)

    workers = [asyncio.create_task(worker()) for _ in range(16)]
    try:
        await at_once(count, 64, one)
    finally:
        await complete(workers)


async def describe_unknown(clients, count):
    async def one(number):
        request = messages.DescribeWorkflowExecutionRequest(namespace="default")
        request.execution.workflow_id = f"{number}-" + "x" * 920
        await clients.expect("DescribeWorkflowExecution", request, grpc.StatusCode.NOT_FOUND)

    await at_once(count, 64, one)


async def abandoned_updates(clients, count):
    wid = f"waiting-{uuid.uuid4()}"
    await clients.start(wid, "waiting", f"unattended-{uuid.uuid4()}")
    request = messages.UpdateWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = wid
    request.request.meta.update_id = "the one"
    request.request.input.name = "update"
    request.wait_policy.lifecycle_stage = 3

    async def one(_):
        await clients.abandon("UpdateWorkflowExecution", request, 0.01)

    await at_once(count, 64, one)
    await clients.terminate(wid)


async def large_signals(clients, count):
    """Signals of 1.5 MB with a start, behind a workflow task that a worker has: the history's limit ends the run."""
    queue, wid = f"large-{uuid.uuid4()}", f"large-{uuid.uuid4()}"
    started = await clients.start(wid, "waiting", queue, task_timeout_s=120)
    task = await clients.poll_workflow(queue, 10)
    if not task or not task.task_token:
        raise Wrong("the task of a workflow did not come")
    request = messages.SignalWithStartWorkflowExecutionRequest(namespace="default", workflow_id=wid, signal_name="large")
    request.workflow_type.name = "waiting"
    request.task_queue.name = queue
    request.signal_input.payloads.add(data=b"x" * 1_500_000)
    request.workflow_id_conflict_policy = 2
    for _ in range(count):
        request.request_id = str(uuid.uuid4())
        await clients.try_call("SignalWithStartWorkflowExecution", request)
    described = messages.DescribeWorkflowExecutionRequest(namespace="default")
    described.execution.workflow_id, described.execution.run_id = wid, started.run_id
    info = (await clients.call("DescribeWorkflowExecution", described)).workflow_execution_info
    if info.history_size_bytes > 60 * 1024 * 1024:
        raise Wrong(f"a history of {info.history_size_bytes} bytes was taken")
    await clients.terminate(wid, missing_is_fine=True)


async def many_build_ids(clients, count):
    request = messages.DescribeTaskQueueRequest(namespace="default", api_mode=1, report_pollers=True, report_stats=True)
    request.task_queue.name = "described"
    request.versions.build_ids.extend(f"build-{number}" for number in range(count))
    request.task_queue_types.extend([1, 2])
    await clients.try_call("DescribeTaskQueue", request)


async def polls_of_many_queues(clients, count):
    prefix = f"polled-{uuid.uuid4()}"

    async def one(number):
        request = messages.PollWorkflowTaskQueueRequest(namespace="default", identity=f"poller-{number}")
        request.task_queue.name = f"{prefix}-{number}"
        await clients.go_away("PollWorkflowTaskQueue", request, 0.5)

    await at_once(count, 1000, one)


ALL = [
    Figure("no-op workflows", 6000, 30 * MB, noop_workflows),
    Figure("descriptions of unknown ids", 30_000, 4 * MB, describe_unknown),
    Figure("abandoned updates", 5000, 4 * MB, abandoned_updates),
    Figure("large signals behind a task", 200, 100 * MB, large_signals, scales=False),
    Figure("build ids in one description", 200_000, 20 * MB, many_build_ids),
    Figure("polls of as many queues", 20_000, 20 * MB, polls_of_many_queues),
]
