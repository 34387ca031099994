#!/usr/bin/env python3
"""Tries mistakes in the code, one after the other, and says which of them no test notices.

    tests/mutants/mutants.py                only whether each mistake can still be made, as CI asks
    tests/mutants/mutants.py --short        tries a few of different crates
    tests/mutants/mutants.py --all          tries every mistake of catalogue.py
    tests/mutants/mutants.py -k retention   tries those whose name contains the word

A mistake is a change of text, which must fit exactly one place, and the narrowest tests that should fail with it. It is made
in a copy of the repository with a folder of its own for what is built, which begins with what was built here already. A
mistake that does not compile, or with whose tests nothing runs, is no proof of anything and counts as a failure.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import catalogue

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
TEST_TIMEOUT_S = 600
# Enough of what a test printed to see what went wrong.
TAIL_LINES = 25


class Stale(Exception):
    """The text that a mistake changes is not there once."""


def mutated(mutant, text):
    count = text.count(mutant.old)
    if count != 1:
        raise Stale(f"{mutant.name}: {mutant.file} has {count} places like {mutant.old!r}; renew it in tests/mutants/catalogue.py")
    return text.replace(mutant.old, mutant.new)


def check(mutants):
    """What of the catalogue does not fit the code any more."""
    stale = []
    for mutant in mutants:
        file = ROOT / mutant.file
        try:
            mutated(mutant, file.read_text() if file.is_file() else "")
        except Stale as e:
            stale.append(str(e))
    return stale


class Copy:
    """A copy of the repository, with what was built of it so far."""

    def __init__(self, folder: Path):
        self.folder, self.target = folder / "tree", folder / "target"

    def make(self):
        out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
        for name in sorted(set(out.stdout.splitlines())):
            source, copy = ROOT / name, self.folder / name
            if source.is_file() or source.is_symlink():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy, follow_symlinks=False)
        for name in ("deps", "build", ".fingerprint"):
            self.take_built(TARGET / "debug" / name, self.target / "debug" / name)

    def take_built(self, source: Path, copy: Path):
        """Libraries with their times, by which cargo sees that they are up to date; programs are not worth the copying."""
        if not source.is_dir():
            return

        def programs(folder, names):
            if Path(folder) != TARGET / "debug" / "deps":
                return []
            return [n for n in names if Path(n).suffix == "" or n.endswith((".o", ".dwp"))]

        shutil.copytree(source, copy, symlinks=True, ignore=programs, dirs_exist_ok=True)

    def cargo(self, *arguments, timeout=None):
        environment = {**os.environ, "CARGO_TARGET_DIR": str(self.target)}
        return subprocess.run(
            ["cargo", *arguments], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout)

    def try_one(self, mutant):
        """What is wrong with the tests of a mistake, and what they printed; nothing if they notice it."""
        file = self.folder / mutant.file
        text = file.read_text()
        file.write_text(mutated(mutant, text))
        try:
            built = self.cargo("test", "--locked", "--no-run", *mutant.build)
            if built.returncode != 0:
                return "it does not compile", built.stdout
            try:
                tested = self.cargo("test", "--locked", *mutant.build, "--", *mutant.tests, timeout=TEST_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return None, ""  # A test that waits for ever has noticed.
            if tested.returncode == 0:
                ran = sum(int(n) for n in re.findall(r"(\d+) passed", tested.stdout))
                return ("no test notices it" if ran else "none of its tests is there"), tested.stdout
            return None, ""
        finally:
            # Written anew, so that cargo sees that what it has built is not of this text.
            file.write_text(text)


def choose(args):
    if args.k:
        return [m for m in catalogue.ALL if args.k in m.name]
    return [m for m in catalogue.ALL if m.short or args.all]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="all of the catalogue")
    parser.add_argument("-k", metavar="WORD", help="those whose name contains the word")
    parser.add_argument("--short", action="store_true", help="a few of different crates")
    args = parser.parse_args()
    stale = check(catalogue.ALL)
    for line in stale:
        print(f"STALE    {line}")
    if stale or not (args.short or args.all or args.k):
        print(f"{len(catalogue.ALL) - len(stale)} can be made, {len(stale)} cannot")
        return 1 if stale else 0
    mutants, survivors = choose(args), []
    with tempfile.TemporaryDirectory(prefix="evertide-mutants-") as folder:
        copy = Copy(Path(folder))
        copy.make()
        for mutant in mutants:
            begin = time.monotonic()
            wrong, output = copy.try_one(mutant)
            print(f"{'SURVIVED' if wrong else 'noticed '} {mutant.name} ({time.monotonic() - begin:.0f} s)", flush=True)
            if wrong:
                survivors.append(mutant.name)
                print(f"         {wrong}: {mutant.file}: {mutant.old.strip()!r} -> {mutant.new.strip()!r}; {mutant.breaks}")
                print("\n".join(f"         | {line}" for line in output.splitlines()[-TAIL_LINES:]))
    print(f"{len(mutants) - len(survivors)} noticed, {len(survivors)} survived")
    return 1 if survivors or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
