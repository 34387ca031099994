#!/usr/bin/env python3
"""Starts the server's binary, compares it with the recorded behaviour in conformance/, and stops it.

    tests/conformance.py EXE [-k words] [--families a,b] [--not-yet FILE] [-j N] [-v]

Two families have a server of their own. That of `pause` lets workflows be paused, which is off elsewhere. That of `time_skipping`
(`EXE PORT`) has one clock, which its scenarios share: they run last, one at a time.
"""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "conformance"), str(ROOT / "tests")]
import run  # noqa: E402
from server_process import NotStarted, ServerProcess, dev_arguments, test_server_arguments  # noqa: E402

ALONE = "time_skipping/"
# The recorded reference had every optional feature on.
FEATURES = ["--dynamic-config-value", "frontend.enableCancelWorkerPollsOnShutdown=true"]
PAUSE = "pause/"
PAUSING = ["--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"]


def compare(args, server, names, count):
    if not names:
        return
    try:
        server.start()
    except NotStarted as e:
        for name in names:
            count.add(name, [f"no server: {e}"])
        return
    try:
        run.check(args, server.target, names, count)
    finally:
        if server.process.poll() is not None:
            count.add_failure("server", f"the server ended by itself with exit code {server.process.returncode}")
        server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[run.arguments()])
    parser.add_argument("exe", type=Path, help="the server's binary")
    args = parser.parse_args()
    names = run.select(args)
    count = run.tally(args)
    together = [n for n in names if not n.startswith((ALONE, PAUSE))]
    compare(args, ServerProcess(args.exe, lambda port: dev_arguments(port, *FEATURES)), together, count)
    pausing = [n for n in names if n.startswith(PAUSE)]
    compare(args, ServerProcess(args.exe, lambda port: dev_arguments(port, *FEATURES, *PAUSING)), pausing, count)
    args.j = 1
    compare(args, ServerProcess(args.exe, test_server_arguments), [n for n in names if n.startswith(ALONE)], count)
    return count.close()


if __name__ == "__main__":
    sys.exit(main())
