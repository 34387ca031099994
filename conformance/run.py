#!/usr/bin/env python3
"""Runs the scenarios against a server.

    run.py check  --target 127.0.0.1:7233 [-k words] [-j 4]     compare with golden/, exit 1 on a difference
    run.py check  --not-yet not-yet.txt --families basics,timer  the same for a server that is not whole yet (see `NotYet`)
    run.py record --target 127.0.0.1:7233 [-k words]            write golden/ from the reference server

Needs Python 3.10 or newer, `temporalio==1.32.0`, `grpcio` and `googleapis-common-protos`. A scenario takes its own names, so runs do
not disturb each other; the server must have the namespace `default` and, for the family `time_skipping`, a server started as `EXE PORT`.
"""
import argparse
import importlib.util
import json
import re
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import kit  # noqa: E402


# A scenario that takes longer waits for something that the server does not do: worth a look, but no failure.
SLOW_S = 25


def load(folder):
    for file in sorted((folder / "scenarios").glob("*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)


def drive(target, name):
    begin = time.monotonic()
    trace = kit.Trace(target, name)
    error = None
    try:
        kit.SCENARIOS[name](trace)
    except kit.RpcFailed as e:
        error = f"unexpected error {e.code}: {e.message}"
    except Exception as e:  # a scenario that cannot go on is a failed scenario, not a failed run
        where = traceback.extract_tb(e.__traceback__)
        frame = next((f for f in where if "scenarios" in f.filename), where[-1])
        error = f"{type(e).__name__}: {e} (line {frame.lineno})"
    finally:
        trace.close()
        trace.seconds = time.monotonic() - begin
    return trace, error


def empty(value):
    """An empty message or a zero duration: to a client the same as none."""
    return value == "0s" or isinstance(value, dict) and all(empty(v) for v in value.values())


def differences(want, got, exact, path=""):
    if isinstance(want, dict) and isinstance(got, dict):
        for key in dict.fromkeys([*want, *got]):
            if key not in got:
                if exact or not empty(want[key]):
                    yield f"{path}.{key}", want[key], "(absent)"
            elif key not in want:
                if exact or not empty(got[key]):
                    yield f"{path}.{key}", "(absent)", got[key]
            else:
                yield from differences(want[key], got[key], exact, f"{path}.{key}")
    elif isinstance(want, list) and isinstance(got, list):
        for i in range(max(len(want), len(got))):
            if i >= len(got):
                yield f"{path}[{i}]", want[i], "(absent)"
            elif i >= len(want):
                yield f"{path}[{i}]", "(absent)", got[i]
            else:
                yield from differences(want[i], got[i], exact, f"{path}[{i}]")
    elif want != got:
        yield path, want, got


def compare(golden, trace, messages, exact, meant=()):
    """`meant`: patterns of whole paths at which the server differs on purpose."""
    ignored = [re.compile(p) for p in golden.get("ignore", [])]
    for i in range(max(len(golden["steps"]), len(trace.steps))):
        if i >= len(trace.steps):
            yield f"step {i} {label(golden['steps'][i])}: not reached"
            return
        if i >= len(golden["steps"]):
            yield f"step {i} {label(trace.steps[i])}: not in the golden file"
            return
        want, got = golden["steps"][i], json.loads(json.dumps(trace.steps[i]))
        for path, w, g in differences(want, got, exact):
            full = f"{label(want)}{path}"
            if path.startswith(".request") or any(p.search(full) for p in ignored) or any(p.fullmatch(full) for p in meant):
                continue
            if not messages and path.endswith(".error.message"):
                continue
            yield f"step {i} {full}: want {short(w)} got {short(g)}"


def pretty(value, indent=0, width=140):
    """JSON with every object that fits on a line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= width or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(k, ensure_ascii=False)}: {pretty(v, indent + 1, width - len(k) - 4)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + pretty(v, indent + 1, width) for v in value) + "\n" + " " * indent + "]"


def label(step):
    return step.get("call") or ("history" if "history" in step else "note")


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "..."


def entries(file, columns):
    """The lines of a list: so many columns, two spaces between them; the last one is the reason."""
    for number, line in enumerate(file.read_text().splitlines() if file else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in re.split(" {2,}", line.strip(), maxsplit=columns - 1)]
        if len(parts) < columns:
            raise SystemExit(f"{file.name}:{number}: {columns} columns with two spaces between them expected, the last a reason: {line}")
        yield parts


class Differences:
    """Where the server differs on purpose, from a file of lines `family/scenario  Call.path.of.field  reason`.

    Both patterns are regular expressions, for the whole name and for the whole path as a difference is printed.
    """

    def __init__(self, file):
        self.entries = [(re.compile(name), re.compile(path)) for name, path, _ in entries(file, 3)]

    def of(self, scenario):
        return [path for name, path in self.entries if name.fullmatch(scenario)]

    def patterns(self):
        return [name for name, _ in self.entries]


class NotYet:
    """Scenarios that the server does not answer as the reference yet, from a file of lines `family/scenario  reason`.

    What stands before the two spaces is a regular expression for the whole name, so `nexus/.*` is a family. A listed
    scenario is run like any other: it counts as failed if it passes, so that the list never says less than is true.
    """

    def __init__(self, file):
        self.entries = [(re.compile(pattern), reason) for pattern, reason in entries(file, 2)]

    def reason(self, name):
        return next((reason for pattern, reason in self.entries if pattern.fullmatch(name)), None)

    def patterns(self):
        return [pattern for pattern, _ in self.entries]


def stale(patterns, names):
    """Patterns that match no scenario at all: misspelt, or renamed since."""
    return [p.pattern for p in patterns if not any(p.fullmatch(n) for n in names)]


class Tally:
    """Prints what became of each scenario and counts it."""

    def __init__(self, not_yet, verbose=False):
        self.not_yet, self.verbose = not_yet, verbose
        self.passed, self.failed, self.waiting = 0, [], 0

    def add(self, name, found):
        """`found`: the differences of a scenario, none if it passed."""
        reason = self.not_yet.reason(name)
        if reason and found:
            self.waiting += 1
            self.show("wait", name, [f"as listed: {reason}", *(found if self.verbose else [])])
        elif reason:
            self.add_failure(name, f"passes, so its line has to go from the list: {reason}")
        elif found:
            self.failed.append(name)
            self.show("FAIL", name, found)
        else:
            self.passed += 1
            self.show("ok  ", name, [])

    def add_failure(self, name, why):
        """A failure that no list excuses."""
        self.failed.append(name)
        self.show("FAIL", name, [why])

    def show(self, word, name, lines):
        print(f"{word} {name}")
        for line in lines if self.verbose else lines[:8]:
            print(f"     {line}")
        if len(lines) > 8 and not self.verbose:
            print(f"     ... {len(lines) - 8} more (-v)")
        sys.stdout.flush()

    def close(self):
        if self.waiting:
            print(f"{self.waiting} not yet, as listed")
        print(f"{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0


def arguments():
    """The arguments about which scenarios are run and how they are compared."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--dir", type=Path, default=HERE, help="folder with scenarios/ and golden/")
    parser.add_argument("-k", default="", help="only scenarios whose name matches this regular expression")
    parser.add_argument("--families", default="", help="only scenarios of these families, separated by commas")
    parser.add_argument("--not-yet", type=Path, help="file of scenarios that must not pass yet, with reasons")
    parser.add_argument("--differences", type=Path, help="file of paths at which the server differs on purpose")
    parser.add_argument("-j", type=int, default=4, help="scenarios at once")
    parser.add_argument("-v", action="store_true", help="every difference, not the first eight of each scenario")
    parser.add_argument("--no-messages", action="store_true", help="do not compare the text of error messages")
    parser.add_argument("--exact", action="store_true", help="an empty message or zero duration is not the same as none")
    return parser


def select(args):
    """The names of the scenarios that the arguments ask for."""
    load(args.dir)
    families = args.families.split(",") if args.families else []
    unknown = set(families) - {n.split("/")[0] for n in kit.SCENARIOS}
    if unknown:
        raise SystemExit(f"no such family: {', '.join(sorted(unknown))}")
    return [n for n in sorted(kit.SCENARIOS) if re.search(args.k, n) and (not families or n.split("/")[0] in families)]


def tally(args):
    """An empty tally, once the lists are known to name scenarios that exist."""
    not_yet = NotYet(args.not_yet)
    unknown = stale([*not_yet.patterns(), *Differences(args.differences).patterns()], kit.SCENARIOS)
    if unknown:
        raise SystemExit(f"no scenario is called {', '.join(unknown)}")
    return Tally(not_yet, args.v)


def check(args, target, names, count):
    """Runs the scenarios against a server and adds what was found to the tally."""
    differences = Differences(args.differences)
    with ThreadPoolExecutor(args.j) as pool:
        for name, (trace, error) in zip(names, pool.map(lambda n: drive(target, n), names)):
            file = args.dir / "golden" / f"{name}.json"
            if not file.exists():
                count.add(name, ["no golden file"])
                continue
            if trace.seconds > SLOW_S:
                print(f"{name} took {trace.seconds:.0f} s")
            found = list(compare(json.loads(file.read_text()), trace, not args.no_messages, args.exact, differences.of(name)))
            count.add(name, [*found, f"ended early: {error}"] if error else found)


def record(args, target, names):
    failed = 0
    with ThreadPoolExecutor(args.j) as pool:
        for name, (trace, error) in zip(names, pool.map(lambda n: drive(target, n), names)):
            if error:
                failed += 1
                print(f"FAILED {name}: {error}")
                continue
            file = args.dir / "golden" / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            about = (kit.SCENARIOS[name].__doc__ or "").strip()
            golden = {"about": " ".join(about.split()), "ignore": trace._ignored, "steps": trace.steps}
            file.write_text(pretty(golden) + "\n")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[arguments()])
    parser.add_argument("mode", choices=["check", "record", "list"])
    parser.add_argument("--target", default="127.0.0.1:7233")
    args = parser.parse_args()
    names = select(args)
    if args.mode == "list":
        print("\n".join(names))
        return 0
    if args.mode == "record":
        return record(args, args.target, names)
    count = tally(args)
    check(args, args.target, names, count)
    return count.close()


if __name__ == "__main__":
    sys.exit(main())
