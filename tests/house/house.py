#!/usr/bin/env python3
"""The house check: rules about the whole repository that no compiler and no lint sees.

Each function below is one rule; its docstring says what holds, and it yields one line for each place where it does not.
"""
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What each crate may see of the others, besides what tests need. A crate that is missing here is a complaint, so that
# a new one finds its place in the order first.
PROTO, ENGINE, STORE = "evertide-proto", "evertide-engine", "evertide-store"
STORES = {"evertide-store-sqlite", "evertide-store-postgres"}
SERVER, CLIENT, BINARY, SIM = "evertide-server", "evertide-client", "evertide", "evertide-sim"
EXAMPLES = "evertide-examples"
TESTING = "evertide-testing"
BELOW_STORES = {PROTO, ENGINE, STORE}
BELOW_SERVER = BELOW_STORES | STORES
MAY_SEE = {
    PROTO: set(),
    ENGINE: {PROTO},
    STORE: {PROTO, ENGINE},
    **{store: BELOW_STORES for store in STORES},
    SERVER: BELOW_SERVER,
    CLIENT: {PROTO},
    TESTING: {SERVER, CLIENT},
    BINARY: BELOW_SERVER | {SERVER, CLIENT},
    SIM: BELOW_SERVER | {SERVER, CLIENT, BINARY},
    EXAMPLES: BELOW_SERVER | {SERVER, CLIENT},
    "xtask": set(),
}
MAY_USE_ANYHOW = {BINARY, SIM, EXAMPLES, "xtask"}

# Everything the engine links, with the features that would bring a clock or randomness in.
ENGINE_DEPENDENCIES = {
    "bytes": set(),
    PROTO: set(),
    "jiff": {"tz-system", "tzdb-zoneinfo", "tzdb-concatenated"},
    "prost": set(),
    "prost-types": set(),
    "serde": set(),
    "thiserror": set(),
    "uuid": {"v1", "v4", "v6", "v7", "rng", "fast-rng"},
}
ENGINE_MUST_NOT_NAME = {
    r"\bInstant\b": "a clock; time comes in with Env",
    r"\bSystemTime\b": "a clock; time comes in with Env",
    r"\b(Timestamp|Zoned)::now\b": "a clock; time comes in with Env",
    r"\bTimeZone::(system|try_system)\b": "the machine's time zone",
    r"\bstd::(fs|net|thread|env|process|io)\b": "the outside world; the server does I/O",
    r"\btokio\b|\bfutures\b": "a runtime; the engine has none",
    r"\basync\s+(fn|move|\{)|\.await\b": "waiting; a decision is a plain function",
    r"\brand::|\bnew_v4\b|\bnow_v[17]\b|\bRandomState\b": "randomness; the seed comes in with Env",
    r"\bHash(Map|Set)\b": "an order that differs from run to run; use BTreeMap or BTreeSet",
    r"\bprintln!|\beprintln!|\btracing::": "output; return what is worth telling",
}

# Rings of files that have a reason, which ARCHITECTURE.md tells: crate -> (files, reason).
RINGS = {
    "evertide-client": (
        {"client", "client::connect", "client::tls", "codec", "error", "failure", "handle", "handle::history", "handle::ids",
         "handle::result", "handle::update", "input", "interceptor", "payload", "start", "temporalio", "time_skipping"},
        "a client gives handles, handles and interceptors make calls of their client, and a failure is an error that a payload carries",
    ),
    "evertide-engine": (
        {"schedule::canonical", "schedule::cron_line", "callback", "limits"},
        "a cron line is one of the forms that a spec is brought from; a limit of callbacks is a list of the rules that callbacks meet",
    ),
    "evertide-server": (
        {"frontend::namespace", "frontend::operator", "frontend::system"},
        "three services show namespaces and their search attributes in the same forms",
    ),
    "evertide-store": (
        {"batch", "error", "visibility", "suite::filters", "suite::world"},
        "the types of the contract name each other; the suite's world makes the rows that its filters are tried on",
    ),
    "evertide-store-sqlite": (
        {"plan", "visibility_rows", "store::core", "upkeep"}, "rows and the plans over them; the store's core and its upkeep"
    ),
    "evertide-sim": ({"actor", "client", "worker", "world"}, "actors live in a world that sets them off"),
}

NO_ROOMS = {"mod.rs", "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "types"}
# In pieces, so that this file does not name what it forbids.
MACHINE_PATHS = re.compile("|".join([r"(?<![\w.])/" + "root/", r"(?<![\w.])/" + "work/", r"(?<![\w.])/" + r"tmp/[a-z]", r"(?<![\w.])/" + r"home/(?!temporal\b)[a-z]+/"]))
LEFT_OPEN = re.compile(r"\b(todo|unimplemented)!\s*\(|#\[ignore|\bFIXME\b|\bX{3}\b")


@cache
def packages():
    out = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return {p["name"]: p for p in json.loads(out.stdout)["packages"]}


@cache
def files():
    """What is in the repository, or would be with the next commit."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return [ROOT / line for line in sorted(set(out.stdout.splitlines())) if (ROOT / line).is_file()]


def rust_files(folder=ROOT):
    return [f for f in files() if f.suffix == ".rs" and f.is_relative_to(folder)]


def named(file):
    return file.relative_to(ROOT)


def linked(package):
    """The dependencies that end up in what users get: all but those of tests."""
    return [d for d in package["dependencies"] if d["kind"] != "dev"]


def code(text):
    """Rust without comments and without the contents of strings, line by line as before."""
    token = re.compile(r"//[^\n]*|/\*.*?\*/|b?r(#*)\".*?\"\1|b?\"(?:\\.|[^\"\\])*\"|'(?:\\.[^']*|[^'\\])'", re.DOTALL)
    return token.sub(lambda m: "\n" * m.group().count("\n"), text)


def each_line(file, text):
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{named(file)}:{number}", line


# -- the rules ---------------------------------------------------------------------------------------------------------
def crates_see_only_what_is_below_them():
    """proto < engine < store < store-* < server < evertide, and proto < client < evertide; nothing sees sim or the examples."""
    for name, package in packages().items():
        if name not in MAY_SEE:
            yield f"{name}: a new crate; give it a place in MAY_SEE"
            continue
        for dependency in linked(package):
            other = dependency["name"]
            if other in packages() and other not in MAY_SEE[name]:
                yield f"{name} depends on {other}, which is not below it"


def anyhow_stays_in_the_binary():
    """Libraries have typed errors; `anyhow` is for `main` and for tests."""
    for name, package in packages().items():
        if name not in MAY_USE_ANYHOW and any(d["name"] == "anyhow" for d in linked(package)):
            yield f"{name} depends on anyhow"


def packages_are_fit_to_publish():
    """A package says that it stays here, or has what a registry shows, its licenses, and versions of what it needs from here."""
    for name, package in packages().items():
        if package["publish"] == []:
            continue
        folder = Path(package["manifest_path"]).parent
        for field in ("description", "license", "documentation", "rust_version", "keywords", "categories"):
            if not package[field]:
                yield f"{name}: no {field}"
        for file in ("LICENSE-APACHE", "LICENSE-MIT"):
            if not (folder / file).is_file():
                yield f"{name}: no {file}; link it to the one at the root"
        for dependency in package["dependencies"]:
            if dependency["name"] in packages() and dependency["req"] == "*":
                yield f"{name}: {dependency['name']} without a version, so the package could not be built"


def stated_rust_is_the_tested_one():
    """`rust-version` promises what the toolchain of rust-toolchain.toml builds and tests."""
    channel = re.search(r'^channel = "(\d+\.\d+)', (ROOT / "rust-toolchain.toml").read_text(), re.MULTILINE)
    for name, package in packages().items():
        if not channel or package["rust_version"] != channel[1]:
            yield f"{name}: rust-version {package['rust_version']}, and rust-toolchain.toml has {channel and channel[1]}"


def engine_links_only_what_is_pure():
    """The engine's dependencies are on a short list, without the features that bring a clock or randomness."""
    for dependency in linked(packages()[ENGINE]):
        name = dependency["name"]
        if name not in ENGINE_DEPENDENCIES:
            yield f"{ENGINE} depends on {name}; is it pure? then add it to ENGINE_DEPENDENCIES"
            continue
        impure = ENGINE_DEPENDENCIES[name] & set(dependency["features"])
        if impure:
            yield f"{ENGINE} uses {name} with {', '.join(sorted(impure))}"


def engine_names_nothing_impure():
    """No I/O, clock, randomness, waiting or hash order in the engine."""
    folder = Path(packages()[ENGINE]["manifest_path"]).parent / "src"
    for file in rust_files(folder):
        for place, line in each_line(file, code(file.read_text())):
            for pattern, why in ENGINE_MUST_NOT_NAME.items():
                if re.search(pattern, line):
                    yield f"{place}: {line.strip()} -- {why}"


def paths(text, start=r"(?<!\()\b(?:crate|super)"):
    """The paths in a file that begin so, with groups in braces written out."""
    text = re.sub(r"\s*(::|[{},])\s*", r"\1", re.sub(r"\bas\s+\w+", "", text))
    for found in re.finditer(rf"({start}(?:::\w+)*)(::\{{)?", text):
        path = found[1].split("::")
        yield from written_out(text, found.end(), path)[0] if found[2] else [path]


def written_out(text, start, path):
    """The paths of a group in braces that begins behind `start`, and where the group ends."""
    found, word, place = [], "", start
    while place < len(text):
        letter, place = text[place], place + 1
        if letter == "{":
            more, place = written_out(text, place, path + word.removesuffix("::").split("::"))
            found, word = found + more, ""
        elif letter in ",}":
            found += [path + word.split("::")] if word else []
            word = ""
            if letter == "}":
                break
        else:
            word += letter
    return found, place


def module_sources(folder):
    """The code of a crate, module by module, without tests: what those need of each other is no part of how it is built."""
    sources = {}
    for file in rust_files(folder):
        parts = file.relative_to(folder).with_suffix("").parts
        if "tests" not in parts and parts[0] != "bin":
            text = re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", code(file.read_text()))[0]
            sources[() if parts in (("lib",), ("main",)) else parts] = text
    return sources


def module_graph(folder):
    """Which file of a crate names what is in which other: {file: {files}}. What a file names of its own parents does not count."""
    sources = module_sources(folder)
    shown = {}  # What a module shows of those below it: {(module, name): path}.
    for module, text in sources.items():
        for path in paths(text, r"\bpub(?:\([^)]*\))? use (?!crate|super)\w+"):
            path[0] = path[0].split()[-1]
            shown[module, path[-1]] = [name for name in path if name != "self"]

    def place_of(target, names):
        for place, name in enumerate(names):
            if (*target, name) in sources:
                target = (*target, name)
            elif shown.get((target, name), [name])[0] != name:
                return place_of(target, shown[target, name] + names[place + 1 :])
            else:
                break
        return target

    graph = {}
    for module, text in sources.items():
        for path in paths(text):
            ups = path.count("super")
            target = place_of(module[: len(module) - ups] if ups else (), path[max(ups, 1) :])
            if target != module[: len(target)]:
                graph.setdefault("::".join(module), set()).add("::".join(target))
    return graph


def rings(edges):
    """The groups of modules that can reach each other."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    reached = {module: reach(module) for module in edges}
    for module in sorted(edges):
        ring = sorted(other for other in reached[module] if module in reached.get(other, ()))
        if ring and ring[0] == module:
            yield ring


def modules_form_no_ring():
    """Files of a crate do not name each other in a ring, but for those that RINGS lists with a reason."""
    used = set()
    for name, package in packages().items():
        allowed, _ = RINGS.get(name, (set(), ""))
        for ring in rings(module_graph(Path(package["manifest_path"]).parent / "src")):
            if set(ring) <= allowed:
                used.add(name)
            else:
                yield f"{name}: {', '.join(ring)}"
    for name in sorted(RINGS.keys() - used):
        yield f"{name}: RINGS allows a ring that is gone; take it out"


def no_rooms_for_odds_and_ends():
    """`foo.rs` beside `foo/`, never mod.rs; a thing lives with its user, not under a name that fits everything."""
    for file in rust_files():
        parts = named(file).parts
        for part in {*parts, file.stem} & NO_ROOMS:
            yield f"{named(file)}: {part}"


def every_crate_says_what_it_is():
    """lib.rs and main.rs open with `//!`, and every crate takes the workspace's lints."""
    for package in packages().values():
        for target in package["targets"]:
            source = Path(target["src_path"])
            if {"lib", "bin", "proc-macro"} & set(target["kind"]) and not source.read_text().startswith("//!"):
                yield f"{named(source)} does not open with //!"
        manifest = Path(package["manifest_path"])
        if not re.search(r"^\[lints\]\s*^workspace = true", manifest.read_text(), re.MULTILINE):
            yield f"{named(manifest)} does not take the workspace's lints"


def nothing_left_open():
    """No todo!, unimplemented!, ignored test or note to come back later."""
    for file in rust_files():
        for place, line in each_line(file, file.read_text()):
            if LEFT_OPEN.search(line):
                yield f"{place}: {line.strip()}"


def no_machine_paths():
    """Nothing names a path of the machine that it was written on."""
    for file in files():
        if file.suffix == ".lock":
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for place, line in each_line(file, text):
            if MACHINE_PATHS.search(line):
                yield f"{place}: {line.strip()[:120]}"


def the_contract_of_the_handle_is_tested():
    """docs/handle.md names the tests of every rule, each of which is there, and every test of the client's contract."""
    folder = ROOT / "crates/client/tests"
    there = set()
    for file in rust_files(folder):
        text = file.read_text()
        there |= {f"{file.stem}::{name}" for name in re.findall(r"#\[(?:tokio::)?test\b.*\]\n(?:async )?fn (\w+)\(", text)}
    told = set(re.findall(r"`(\w+::\w+)`", (ROOT / "docs/handle.md").read_text()))
    for test in sorted(told - there):
        yield f"docs/handle.md names {test}, which is not in {named(folder)}"
    for test in sorted(there - told):
        yield f"{test} is in {named(folder)}; name it in docs/handle.md beside its rule"


def what_the_client_offers_has_an_example():
    """Every public type, trait, function and macro of the client has an example, and so has every method of its handles."""
    item = r"^(?:pub (?:(?:async )?fn|struct|enum|trait|type)|#\[macro_export\]\nmacro_rules!) (\w+)"
    handles = r"^impl(?:<.*>)? (?:Client|WorkflowHandle|UpdateHandle|AsyncActivityHandle)\b[^{]*\{\n.*?^\}"
    for file in rust_files(ROOT / "crates/client/src"):
        text = file.read_text()
        offered = list(re.finditer(item, text, re.M))
        for handle in re.finditer(handles, text, re.M | re.S):
            methods = re.compile(r"^    pub (?:async )?fn (\w+)", re.M)
            offered += methods.finditer(text, handle.start(), handle.end())
        for found in offered:
            # A doc comment has no empty lines, so it is all that stands between the last one and its item.
            comment = text[: found.start()].rsplit("\n\n", 1)[-1]
            if "/// ```" not in comment:
                line = text[: found.start(1)].count("\n") + 1
                yield f"{named(file)}:{line}: {found[1]} has no example"


RULES = [
    crates_see_only_what_is_below_them,
    anyhow_stays_in_the_binary,
    packages_are_fit_to_publish,
    stated_rust_is_the_tested_one,
    engine_links_only_what_is_pure,
    engine_names_nothing_impure,
    modules_form_no_ring,
    no_rooms_for_odds_and_ends,
    every_crate_says_what_it_is,
    nothing_left_open,
    no_machine_paths,
    the_contract_of_the_handle_is_tested,
    what_the_client_offers_has_an_example,
]


def main():
    broken = 0
    for rule in RULES:
        complaints = list(rule())
        broken += bool(complaints)
        print(f"{'FAIL' if complaints else 'ok  '} {rule.__name__}")
        if complaints:
            print(f"     the rule: {' '.join(rule.__doc__.split())}")
        for complaint in complaints:
            print(f"     {complaint}")
    print(f"{len(RULES) - broken} passed, {broken} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
