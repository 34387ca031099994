"""Workflows as users write them: the common patterns, each as small as it gets."""
import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    import activities

QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1.0)
SOON = timedelta(seconds=20)


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(activities.greet, name, start_to_close_timeout=SOON)


@workflow.defn
class LocalGreeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_local_activity(activities.greet, name, start_to_close_timeout=SOON)


@workflow.defn
class Retried:
    @workflow.run
    async def run(self, attempts: int, at_most: int) -> int:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1.0, maximum_attempts=at_most)
        return await workflow.execute_activity(activities.succeed_at_attempt, attempts, start_to_close_timeout=SOON, retry_policy=policy)


@workflow.defn
class Refused:
    @workflow.run
    async def run(self, reason: str) -> None:
        await workflow.execute_activity(activities.refuse, reason, start_to_close_timeout=SOON)


@workflow.defn
class Stalled:
    @workflow.run
    async def run(self) -> list:
        return await workflow.execute_activity(
            activities.stall_once, start_to_close_timeout=SOON, heartbeat_timeout=timedelta(milliseconds=500), retry_policy=QUICKLY)


@workflow.defn
class TimedOut:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            activities.hang, start_to_close_timeout=timedelta(milliseconds=300), retry_policy=RetryPolicy(maximum_attempts=1))


@workflow.defn
class NobodyThere:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            activities.greet, "nobody", task_queue=f"{workflow.info().task_queue}-empty",
            schedule_to_start_timeout=timedelta(milliseconds=300), start_to_close_timeout=SOON)


@workflow.defn
class CancelsActivity:
    """Cancels a running activity when told to and waits until the activity has seen it."""

    def __init__(self) -> None:
        self.told = False

    @workflow.run
    async def run(self) -> str:
        running = workflow.start_activity(
            activities.beat_until_canceled, start_to_close_timeout=SOON, heartbeat_timeout=timedelta(milliseconds=500),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
        await workflow.wait_condition(lambda: self.told)
        running.cancel()
        try:
            await running
        except ActivityError as e:
            return type(e.cause).__name__
        return "completed"

    @workflow.signal
    def cancel_it(self) -> None:
        self.told = True


@workflow.defn
class HandsOut:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(activities.hand_out, start_to_close_timeout=SOON)


@workflow.defn
class TimersInOrder:
    @workflow.run
    async def run(self, delays_ms: list[int]) -> list[int]:
        fired = []

        async def one(delay_ms: int) -> None:
            await asyncio.sleep(delay_ms / 1000)
            fired.append(delay_ms)

        await asyncio.gather(*(one(d) for d in delays_ms))
        return fired


@workflow.defn
class SignalLog:
    """Collects what it is told until it is told to finish."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.finished = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.finished)
        return self.seen

    @workflow.signal
    def tell(self, what: str) -> None:
        self.seen.append(what)

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def so_far(self) -> list[str]:
        return self.seen

    @workflow.query
    def broken(self) -> None:
        raise ValueError("this query never works")


@workflow.defn
class Approval:
    """Waits for a decision, but not for ever."""

    def __init__(self) -> None:
        self.decision: str | None = None

    @workflow.run
    async def run(self, patience_ms: int) -> str:
        try:
            await workflow.wait_condition(lambda: self.decision is not None, timeout=timedelta(milliseconds=patience_ms))
        except asyncio.TimeoutError:
            return "expired"
        return self.decision or ""

    @workflow.signal
    def decide(self, decision: str) -> None:
        self.decision = decision


@workflow.defn
class SumDown:
    """Adds up one number a run."""

    @workflow.run
    async def run(self, number: int, total: int) -> int:
        if number > 0:
            workflow.continue_as_new(args=[number - 1, total + number])
        return total


@workflow.defn
class CleansUp:
    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError:
            await workflow.execute_activity(activities.unbook, "room", start_to_close_timeout=SOON)
            raise


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("out of luck", {"left": 0}, type="Luck")


@workflow.defn
class Trip:
    """A saga: what was booked is given back, last first, when a later step fails."""

    @workflow.run
    async def run(self, wishes: list[str]) -> list[str]:
        log, done = [], []
        try:
            for wish in wishes:
                log.append(await workflow.execute_activity(activities.book, wish, start_to_close_timeout=SOON))
                done.append(wish)
        except ActivityError:
            for wish in reversed(done):
                log.append(await workflow.execute_activity(activities.unbook, wish, start_to_close_timeout=SOON))
        return log


@workflow.defn
class FanOut:
    @workflow.run
    async def run(self, count: int) -> int:
        squares = await asyncio.gather(*(
            workflow.execute_activity(activities.square, n, start_to_close_timeout=SOON) for n in range(count)))
        return sum(squares)


@workflow.defn
class Ledger:
    """Adds up what it is told, until it is told how to end. `examples/interop/ledger.rs` is its twin in Rust."""

    @workflow.init
    def __init__(self, total: int) -> None:
        self.total_so_far = total
        self.ending: str | None = None

    @workflow.run
    async def run(self, total: int) -> int:
        await workflow.wait_condition(lambda: self.ending is not None)
        if self.ending == "fail":
            raise ApplicationError("out of luck", self.total_so_far, type="Luck")
        if self.ending == "refuse":
            await workflow.execute_activity(activities.refuse, "no more", start_to_close_timeout=SOON)
        if self.ending == "hand over":
            workflow.continue_as_new(self.total_so_far)
        return self.total_so_far

    @workflow.signal
    def add(self, amount: int) -> None:
        self.total_so_far += amount

    @workflow.signal
    def close(self, ending: str) -> None:
        self.ending = ending

    @workflow.query
    def total(self) -> int:
        return self.total_so_far

    @workflow.query
    def broken(self) -> int:
        raise ValueError("this query never works")

    @workflow.update
    def deposit(self, amount: int) -> int:
        if self.total_so_far + amount > 1000:
            raise ApplicationError("the safe is full", amount, type="Full")
        self.total_so_far += amount
        return self.total_so_far

    @deposit.validator
    def check_deposit(self, amount: int) -> None:
        if amount < 0:
            raise ValueError("no negative amounts")

    @workflow.update
    async def reach(self, enough: int) -> int:
        await workflow.wait_condition(lambda: self.total_so_far >= enough)
        return self.total_so_far


ALL = [Greeting, LocalGreeting, Retried, Refused, Stalled, TimedOut, NobodyThere, CancelsActivity, HandsOut, TimersInOrder,
       SignalLog, Approval, SumDown, CleansUp, Fails, Trip, FanOut, Ledger]
