"""The mistakes that tests must notice: what is changed where, what breaks by it, and which tests should see that."""
from dataclasses import dataclass, field

ENGINE = ["-p", "evertide-engine", "--lib"]
SERVER = ["-p", "evertide-server", "--lib"]
SHELL = ["-p", "evertide-server", "--test", "shell"]
STORE = ["-p", "evertide-store-sqlite", "--lib"]
SIM = ["-p", "evertide-sim", "--test", "seeds"]


@dataclass
class Mutant:
    name: str
    file: str
    old: str
    new: str
    # What the mistake would do to users.
    breaks: str
    # What is built, and which of its tests are run; all if none is named.
    build: list[str]
    tests: list[str] = field(default_factory=list)
    # Whether it is on the short list.
    short: bool = False


ALL = [
    # -- the log --
    Mutant("commit-not-synced", "crates/store-sqlite/src/log.rs",
           "let written = segment.file.write_at(segment.length, &buffer).and_then(|()| segment.file.sync());",
           "let written = segment.file.write_at(segment.length, &buffer);",
           "acknowledged work is lost with the power", STORE, ["log"], short=True),
    Mutant("failed-commit-comes-back", "crates/store-sqlite/src/log.rs",
           "                self.left_behind = Some(error.to_string());\n                self.cut_what_was_left()?;\n", "",
           "a commit that was told as failed is there after a crash", STORE, ["log"]),
    Mutant("log-file-reused-too-early", "crates/store-sqlite/src/log.rs",
           "if is_open || segment.next_position > tabled {", "if is_open || segment.next_position > tabled + 1 {",
           "the last commit of a file of the log is lost before the tables have it", STORE, ["log"]),
    Mutant("gap-in-log", "crates/store-sqlite/src/log.rs",
           "if frame.position != expected {", "if frame.position < 0 {",
           "a log that lost a part is served as if it were whole", STORE, ["log"]),
    # -- engine --
    Mutant("history-count-limit", "crates/engine/src/workflow/conclude.rs",
           "count > draft.limits().history_count {", "count > draft.limits().history_count * 1000 {",
           "histories grow without bound", ENGINE, ["conclude"], short=True),
    Mutant("history-size-limit", "crates/engine/src/workflow/conclude.rs",
           "exec.state.info.history_size_bytes > env.limits.history_size_bytes;",
           "exec.state.info.history_size_bytes / 1000 > env.limits.history_size_bytes;",
           "histories grow without bound", ENGINE, ["conclude"]),
    Mutant("buffered-size-limit", "crates/engine/src/workflow/conclude.rs",
           "size_bytes() > limits.buffered_events_size_bytes;", "size_bytes() / 1000 > limits.buffered_events_size_bytes;",
           "a task that is started lets any amount of events wait", ENGINE, ["conclude"]),
    Mutant("timer-due-at-its-time", "crates/engine/src/workflow/timer.rs",
           "filter(|(_, t)| t.due_ns <= now_ns)", "filter(|(_, t)| t.due_ns < now_ns)",
           "a timer that is looked at when it is due does not fire", ENGINE, ["workflow"]),
    Mutant("signal-request-id", "crates/engine/src/workflow/signal.rs",
           "if !signal.request_id.is_empty() && draft.state()", "if signal.request_id.len() == usize::MAX && draft.state()",
           "a signal that is sent again after a lost answer comes twice", ENGINE, ["workflow"]),
    Mutant("last-attempt", "crates/engine/src/retry_policy.rs",
           "policy.maximum_attempts > 0 && number >= policy.maximum_attempts", "policy.maximum_attempts > 0 && number > policy.maximum_attempts",
           "one attempt too many", ENGINE, ["retry"]),
    # -- matching, timers, shards --
    Mutant("backlog-expires", "crates/server/src/matching/queue.rs",
           "Self { id: 0, durable: true, expires_ns: i64::MAX, row }", "Self { id: 0, durable: true, expires_ns: row.added_ns + 300_000_000_000, row }",
           "tasks of a backlog vanish after minutes without a worker", SERVER, ["matching"], short=True),
    Mutant("overtakes-backlog", "crates/server/src/matching/queue.rs",
           "if !self.tasks.is_empty() || self.disk.more || !self.pace.is_ready(now_ns)", "if !self.tasks.is_empty() || !self.pace.is_ready(now_ns)",
           "new tasks overtake those that wait in the store", SERVER, ["matching"]),
    Mutant("matched-task-is-left", "crates/server/src/node/polling.rs",
           "const GRACE: Duration = Duration::from_millis(500);", "const GRACE: Duration = Duration::from_millis(0);",
           "a task that was matched when its poll ended is lost to the worker", SHELL, ["matched"]),
    Mutant("refill-forgets-left-out", "crates/server/src/matching/queue.rs",
           "full_page || self.disk.left_out_to.is_some_and(|id| !self.disk.read_to.has_read(id))", "full_page",
           "a task that came while the backlog was read waits for ever", SERVER, ["matching"]),
    Mutant("deleted-run-comes-back", "crates/server/src/shard/deciding.rs",
           "    chain.deleted.push((run_id.to_owned(), u64::MAX));\n", "",
           "a read between a deletion and its commit revives the run", SHELL, ["recovery", "bounds", "unknown"]),
    Mutant("chain-leaves-before-commit", "crates/server/src/shard/chain.rs",
           "            && self.last_ticket <= durable_ticket\n            && self.runs", "            && self.runs",
           "a run is read from the store before its last decision is there", SIM),
    Mutant("many-due-in-one-millisecond", "crates/server/src/timers.rs",
           "(self.from_ns / 1_000_000 - 1, RunKey::MAX)", "(self.from_ns / 1_000_000, RunKey::MAX)",
           "of more runs due in one millisecond than are read at once the rest never fires", SERVER, ["timers"]),
    Mutant("gap-in-history-cache", "crates/server/src/history/cache.rs",
           "self.first_event_id = oldest.next_event_id;", "self.first_event_id = oldest.next_event_id - 1;",
           "a history that is served has a gap", SERVER, ["history"]),
    Mutant("failed-namespace-comes-back", "crates/server/src/registry.rs",
           "        *pending = self.durable.read().clone();\n        forgotten", "        *pending = pending.clone();\n        forgotten",
           "a namespace whose commit failed appears with the next change", SHELL, ["namespace"]),
    Mutant("slow-retention", "crates/server/src/sweep.rs",
           "runs.len() >= SWEEP_RUNS", "runs.len() > SWEEP_RUNS",
           "retention removes one portion a minute", SHELL, ["retention", "emptied"]),
    Mutant("outbox-wakes-nobody", "crates/server/src/shard/step.rs",
           "let lost_in_crash = !entry.exec.outbox().is_empty() || !entry.exec.queued().is_empty();", "let lost_in_crash = !entry.exec.queued().is_empty();",
           "messages between runs are lost by a crash", SHELL, ["messages"]),
    Mutant("sticky-task-is-lost", "crates/server/src/shard/step.rs",
           "let lost_in_crash = !entry.exec.outbox().is_empty() || !entry.exec.queued().is_empty();", "let lost_in_crash = !entry.exec.outbox().is_empty();",
           "a workflow waits for the timeout of its sticky queue after a restart", SHELL, ["sticky"], short=True),
    Mutant("due-a-millisecond-early", "crates/server/src/shard/step.rs",
           "ns.saturating_add(999_999) / 1_000_000", "ns / 1_000_000",
           "runs that are read by their due time are woken before it", SERVER + ["--test", "shell"], []),
    Mutant("acknowledged-before-durable", "crates/server/src/shard/deciding.rs",
           "if writes.is_empty() && chain.last_ticket <= durable && !has_task()", "if writes.is_empty() && chain.last_ticket <= durable + 1_000_000 && !has_task()",
           "a reader sees what is lost by a crash", SHELL, ["durable"]),
]
