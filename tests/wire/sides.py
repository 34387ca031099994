"""One handle from two sides: the Python SDK's own, and the Rust one, driven through `examples/interop.rs`.

Both have the same methods, and give and raise plain data that is equal where the two saw the same. A reference names a workflow
to either side; it has the fields of Rust's `WorkflowRef`.
"""
import asyncio
import json
from datetime import datetime, timezone

from temporalio.api.enums.v1 import RetryState as RetryStates
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Statuses
from temporalio.client import (
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import QueryRejectCondition, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError

# A line holds a whole history.
LINE_LIMIT_BYTES = 16 * 1024 * 1024

# One search attribute of each type, by the names that the Rust side knows too.
ATTRIBUTES = {key.name: key for key in (
    SearchAttributeKey.for_text("InteropText"),
    SearchAttributeKey.for_keyword("InteropKeyword"),
    SearchAttributeKey.for_int("InteropInt"),
    SearchAttributeKey.for_float("InteropDouble"),
    SearchAttributeKey.for_bool("InteropBool"),
    SearchAttributeKey.for_datetime("InteropDatetime"),
    SearchAttributeKey.for_keyword_list("InteropKeywordList"),
)}


class Refused(Exception):
    """What a call ended with instead of a value."""

    def __init__(self, what: dict):
        super().__init__(json.dumps(what))
        self.what = what


class PythonSide:
    """The handle of the Python SDK."""

    def __init__(self, client):
        self.client = client

    def _handle(self, ref):
        return WorkflowHandle(
            self.client, ref["workflow_id"], run_id=ref.get("run_id"), result_run_id=ref.get("result_run_id"),
            first_execution_run_id=ref.get("first_execution_run_id"))

    async def start_workflow(self, workflow, *args, id, task_queue, memo=None, search_attributes=None, summary=None, details=None):
        typed = TypedSearchAttributes([
            SearchAttributePair(ATTRIBUTES[name], as_time(value) if name == "InteropDatetime" else value)
            for name, value in (search_attributes or {}).items()])
        with refusals():
            handle = await self.client.start_workflow(
                workflow, args=args, id=id, task_queue=task_queue, memo=memo, search_attributes=typed, static_summary=summary,
                static_details=details)
        return {"namespace": self.client.namespace, "workflow_id": handle.id, "result_run_id": handle.result_run_id,
                "first_execution_run_id": handle.first_execution_run_id}

    async def signal(self, ref, name, *args):
        with refusals():
            await self._handle(ref).signal(name, args=args)

    async def query(self, ref, name, *args, open_only=False):
        condition = QueryRejectCondition.NOT_OPEN if open_only else None
        with refusals():
            return await self._handle(ref).query(name, args=args, reject_condition=condition)

    async def start_update(self, ref, name, *args, id):
        with refusals():
            update = await self._handle(ref).start_update(name, args=args, id=id, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        return {"id": update.id, "workflow_run_id": update.workflow_run_id}

    async def execute_update(self, ref, name, *args):
        with refusals():
            return await self._handle(ref).execute_update(name, args=args)

    async def update_result(self, ref, id):
        with refusals():
            return await self._handle(ref).get_update_handle(id).result()

    async def result(self, ref, follow_runs=True):
        with refusals():
            return await self._handle(ref).result(follow_runs=follow_runs)

    async def cancel(self, ref, reason):
        with refusals():
            await self._handle(ref).cancel(reason=reason)

    async def terminate(self, ref, reason, *details):
        with refusals():
            await self._handle(ref).terminate(*details, reason=reason)

    async def describe(self, ref):
        with refusals():
            told = await self._handle(ref).describe()
        return {
            "id": told.id, "run_id": told.run_id, "type": told.workflow_type, "task_queue": told.task_queue,
            "status": Statuses.Name(told.status), "history_length": told.history_length, "started": seconds(told.start_time),
            "closed": seconds(told.close_time), "memo": await told.memo(), "summary": await told.static_summary(),
            "details": await told.static_details(),
            "search_attributes": {
                pair.key.name: seconds(pair.value) if isinstance(pair.value, datetime) else pair.value
                for pair in told.typed_search_attributes if pair.key.name in ATTRIBUTES},
        }

    async def fetch_history(self, ref):
        return (await self._handle(ref).fetch_history()).to_json()

    async def rewrite_history(self, text):
        return WorkflowHistory.from_json("any", text).to_json()


class RustSide:
    """The handle in Rust, in a process that takes one command a line."""

    def __init__(self, process):
        self.process = process
        self.waiting: dict[int, asyncio.Future] = {}
        self.reading = asyncio.create_task(self._read())
        self.last = 0

    @classmethod
    async def start(cls, program, address):
        return cls(await asyncio.create_subprocess_exec(
            program, "drive", address, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT_BYTES))

    async def stop(self):
        self.process.stdin.close()
        await self.process.wait()
        await self.reading

    async def _read(self):
        async for line in self.process.stdout:
            answer = json.loads(line)
            self.waiting.pop(answer["nr"]).set_result(answer)
        for future in self.waiting.values():
            future.set_exception(RuntimeError("the driver ended without an answer"))

    async def _call(self, call, **parameters):
        self.last += 1
        future = self.waiting[self.last] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(json.dumps({"nr": self.last, "call": call, **parameters}).encode() + b"\n")
        answer = await future
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["ok"]

    async def start_workflow(self, workflow, *args, id, task_queue, memo=None, search_attributes=None, summary=None, details=None):
        return await self._call(
            "start_workflow", workflow=workflow, args=args, id=id, task_queue=task_queue, memo=memo or {},
            search_attributes=search_attributes or {}, static_summary=summary, static_details=details)

    async def signal(self, ref, name, *args):
        await self._call("signal", handle=ref, name=name, args=args)

    async def query(self, ref, name, *args, open_only=False):
        return await self._call("query", handle=ref, name=name, args=args, open_only=open_only)

    async def start_update(self, ref, name, *args, id):
        return await self._call("start_update", handle=ref, name=name, id=id, args=args)

    async def execute_update(self, ref, name, *args):
        return await self._call("execute_update", handle=ref, name=name, args=args)

    async def update_result(self, ref, id):
        return await self._call("update_result", handle=ref, id=id)

    async def result(self, ref, follow_runs=True):
        return await self._call("result", handle=ref, follow_runs=follow_runs)

    async def cancel(self, ref, reason):
        await self._call("cancel", handle=ref, reason=reason)

    async def terminate(self, ref, reason, *details):
        await self._call("terminate", handle=ref, reason=reason, details=details)

    async def describe(self, ref):
        return await self._call("describe", handle=ref)

    async def fetch_history(self, ref):
        return await self._call("fetch_history", handle=ref)

    async def rewrite_history(self, text):
        return await self._call("rewrite_history", text=text)


# -- the Python SDK's exceptions as data -------------------------------------------------------------------------------
class refusals:
    """Raises as plain data what the SDK raises as exceptions."""

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        what = refusal(error)
        if what is not None:
            raise Refused(what) from error


def refusal(error) -> dict | None:
    match error:
        case WorkflowFailureError():
            return {"kind": "WorkflowFailed", "chain": chain(error.cause)}
        case WorkflowUpdateFailedError():
            return {"kind": "UpdateFailed", "chain": chain(error.cause)}
        case WorkflowContinuedAsNewError():
            return {"kind": "WorkflowContinuedAsNew", "new_run_id": error.new_execution_run_id}
        case WorkflowQueryRejectedError():
            return {"kind": "QueryRejected", "status": error.status and Statuses.Name(error.status)}
        case WorkflowQueryFailedError():
            return {"kind": "QueryFailed", "message": str(error)}
        case WorkflowAlreadyStartedError():
            return {"kind": "WorkflowAlreadyStarted", "run_id": error.run_id}
        case RPCError():
            return {"kind": "Rpc", "code": error.status.value}
    return None


def chain(failure) -> list[dict]:
    links = []
    while failure is not None:
        links.append(link(failure))
        failure = failure.__cause__
    return links


def link(failure) -> dict:
    told = {"message": failure.message}
    match failure:
        case ApplicationError():
            return {**told, "kind": "Application", "type": failure.type, "non_retryable": failure.non_retryable, "details": list(failure.details)}
        case CancelledError():
            return {**told, "kind": "Cancelled", "details": list(failure.details)}
        case TerminatedError():
            return {**told, "kind": "Terminated", "details": list(failure.details)}
        case ActivityError():
            return {**told, "kind": "Activity", "type": failure.activity_type, "retry_state": RetryStates.Name(failure.retry_state)}
    return {**told, "kind": type(failure).__name__}


def as_time(seconds_since_1970):
    return datetime.fromtimestamp(seconds_since_1970, timezone.utc)


def seconds(time):
    return time and time.timestamp()
