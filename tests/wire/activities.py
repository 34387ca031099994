"""What the workflows of these tests do in the outside world."""
import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

# Task tokens of activities that somebody else completes, by workflow id.
handed_out: dict[str, asyncio.Future] = {}


def token_of(workflow_id: str) -> asyncio.Future:
    """The task token of a handed-out activity, once it has started."""
    return handed_out.setdefault(workflow_id, asyncio.get_running_loop().create_future())


def tell(value: bytes) -> None:
    """Hands the token, or any sign of life, to who waits for it; a later attempt has nothing new to say."""
    told = token_of(activity.info().workflow_id)
    if not told.done():
        told.set_result(value)


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def succeed_at_attempt(number: int) -> int:
    attempt = activity.info().attempt
    if attempt < number:
        raise ApplicationError(f"attempt {attempt} of {number}", type="NotYet")
    return attempt


@activity.defn
async def refuse(reason: str) -> None:
    raise ApplicationError("refused", reason, 42, type="Refused", non_retryable=True)


@activity.defn
async def stall_once() -> list:
    """Tells how far it is and then hangs; the next attempt returns what it was told."""
    info = activity.info()
    if info.attempt > 1:
        return [info.attempt, *info.heartbeat_details]
    activity.heartbeat("half way", 50)
    await asyncio.Event().wait()
    return []


@activity.defn
async def hang() -> None:
    await asyncio.Event().wait()


@activity.defn
async def beat_until_canceled() -> None:
    """Learns of its cancellation from the answer to a heartbeat."""
    tell(b"started")
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@activity.defn
async def hand_out() -> str:
    tell(activity.info().task_token)
    activity.raise_complete_async()


@activity.defn
async def book(what: str) -> str:
    if what == "moon":
        raise ApplicationError(f"no {what} left", type="SoldOut", non_retryable=True)
    return f"booked {what}"


@activity.defn
async def unbook(what: str) -> str:
    return f"unbooked {what}"


@activity.defn
async def square(number: int) -> int:
    return number * number


ALL = [greet, succeed_at_attempt, refuse, stall_once, hang, beat_until_canceled, hand_out, book, unbook, square]
