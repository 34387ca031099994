#!/usr/bin/env python3
"""Drives the server's binary with every kind of call and looks at what is left in its memory.

    tests/soak/soak.py EXE                  a short run, as in CI
    tests/soak/soak.py EXE --minutes 60     a long one
    tests/soak/soak.py EXE --figures        the figures of docs/performance.md at their full size

First the figures, each a known way to make the server's memory grow: what each leaves behind has a limit. Then rounds of
clients that start, signal, update, query, reset, delete and whatever else there is, with workers that answer, callers that go
away in the middle and polls on queues of their own. After each round the server has nothing left to do; its memory must end
near where it was after the first.
"""
import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import figures  # noqa: E402
import load  # noqa: E402
from server_process import NotStarted, ServerProcess, dev_arguments  # noqa: E402

# What a round may leave behind on the average, once the first has filled what is allowed to be full.
GROWTH_KB_PER_ROUND = 4 * 1024
# An allocator gives pages back late: memory is looked at until it has come down, for so long.
SETTLE_S = 20


class Grown(Exception):
    """Something is left that nobody needs."""


class Memory:
    """The resident memory of a process, KiB."""

    def __init__(self, pid):
        self.status = Path(f"/proc/{pid}/status")

    def now_kb(self):
        for line in self.status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise Grown("the server has ended")

    async def settled_kb(self, wanted_kb=0):
        """The least of what it takes within a while; at once if that is as little as wanted."""
        least, end = self.now_kb(), time.monotonic() + SETTLE_S
        while least > wanted_kb and time.monotonic() < end:
            await asyncio.sleep(0.5)
            least = min(least, self.now_kb())
        return least


async def run_figures(clients, memory, scale):
    for figure in figures.ALL:
        count = max(1, int(figure.count * scale))
        limit_kb = figure.limit_kb(scale)
        # A few first, so that what is made once is there before anything is measured.
        await figure.run(clients, max(1, count // 20))
        before, begin = memory.now_kb(), time.monotonic()
        await figure.run(clients, count)
        grown = await memory.settled_kb(before + limit_kb) - before
        print(f"  {figure.name}, {count} times: {grown / 1024:+.1f} MB left (limit {limit_kb / 1024:.0f}), "
              f"{time.monotonic() - begin:.1f} s", flush=True)
        if grown > limit_kb:
            raise Grown(f"{figure.name}: {grown} KB are left after {count} of them, more than {limit_kb}")


async def run_rounds(clients, memory, args, chance):
    end = time.monotonic() + args.minutes * 60
    first, rounds = None, 0
    while rounds < 1 + args.rounds or time.monotonic() < end:
        begin = time.monotonic()
        done = await load.run_round(clients, args.calls, chance, rounds)
        rounds += 1
        wanted = first + GROWTH_KB_PER_ROUND * (rounds - 1) if first else 0
        now = await memory.settled_kb(wanted)
        first = first or now
        print(f"  round {rounds}: {sum(done.values())} calls of {len(done)} kinds in {time.monotonic() - begin:.1f} s, "
              f"{now / 1024:.1f} MB", flush=True)
        missing = load.KINDS - set(done)
        if missing:
            raise load.Wrong(f"nobody did this: {sorted(missing)}")
        if rounds > 1 and now > wanted:
            raise Grown(f"after {rounds} rounds it takes {now} KB, and {first} after the first: more than {wanted}")


async def soak(args, server):
    memory = Memory(server.process.pid)
    chance = random.Random(args.seed)
    print(f"seed {args.seed}, {memory.now_kb() / 1024:.1f} MB at first", flush=True)
    async with load.Clients(server.target) as clients:
        await run_figures(clients, memory, 1.0 if args.figures else args.scale)
        if not args.figures:
            await run_rounds(clients, memory, args, chance)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe", type=Path, help="the server's binary")
    parser.add_argument("--minutes", type=float, default=0, help="go on with rounds for so long")
    parser.add_argument("--rounds", type=int, default=2, help="how many rounds at least, after the first")
    parser.add_argument("--calls", type=int, default=600, help="how many things clients do in a round")
    parser.add_argument("--scale", type=float, default=0.1, help="the size of the figures, as a part of the full one")
    parser.add_argument("--figures", action="store_true", help="only the figures, at their full size")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="evertide-soak-"))
    server = ServerProcess(args.exe, lambda port: dev_arguments(port, "--db-filename", str(folder / "evertide.db"), *load.SETTINGS))
    try:
        with server:
            asyncio.run(soak(args, server))
            if server.stop() != 0:
                raise Grown("the server did not end in order")
    except (Grown, NotStarted, load.Wrong) as e:
        print(f"FAIL: {e}\n0 passed, 1 failed")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
