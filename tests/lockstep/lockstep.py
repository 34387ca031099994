#!/usr/bin/env python3
"""Random calls, sent to two servers in lockstep: what one answers, the other must answer too.

    tests/lockstep/lockstep.py REFERENCE SERVER [--seed 1] [--scripts 20] [--steps 40]

REFERENCE and SERVER are addresses like 127.0.0.1:7233; both need the namespace `default`. Each script plays clients and workers of a few
workflow ids, one call at a time on both servers, and compares every answer, and at its end every description and history. It stops at the
first difference, which is printed with the calls before it; `--seed` with `--scripts 1` plays that script again. What differs on purpose
stands in differences.txt here and in conformance/differences.txt.
"""
import argparse
import json
import random
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "conformance"))
import kit  # noqa: E402
import run  # noqa: E402
import updates  # noqa: E402
from kit import RpcFailed, Trace, activity, canceled, child, command, complete, continue_as_new, fail, failure, payloads, retry_policy, seconds, timer  # noqa: E402

WORKFLOWS = ["a", "b", "c"]
# As long as may be: what a script holds is not to run out while it plays, which would be a question of time.
LONG = {"workflow_task_timeout": kit.seconds(120)}
# Long enough for whatever a call sets off on its own: a child that starts, an activity that is dispatched.
SETTLE_S = 3
# Servers refuse a poll whose deadline is nearer than two seconds.
POLL_S = 4


class Side:
    """One of the two servers, with what its workers hold."""

    def __init__(self, target, name):
        self.trace = Trace(target, name)
        self.tasks, self.activities, self.updates = [], [], []

    def known(self, base):
        """What a quiet look at a workflow id shows; none if there is none."""
        found = self.trace.quiet("DescribeWorkflowExecution", fails=None, execution={"workflow_id": self.trace.id(base)})
        return None if isinstance(found, RpcFailed) else found

    def end(self):
        """Leaves nothing open behind."""
        for base in WORKFLOWS:
            updates.end(self.trace, self.trace.id(base))
        self.trace.close()

    def shape(self):
        """What must be the same on both sides before the next call is fair."""
        found = {base: self.known(base) for base in WORKFLOWS}
        return [(base, d.workflow_execution_info.history_length, d.workflow_execution_info.status, bool(d.pending_workflow_task.state),
                 sorted((a.activity_id, a.state, a.attempt) for a in d.pending_activities),
                 sorted(c.workflow_id[-1] for c in d.pending_children)) for base, d in found.items() if d]


def has_task(description):
    """Whether a workflow task waits for a worker."""
    return description is not None and description.pending_workflow_task.state == 1


def fresh_activities(description):
    """Activities that wait for a worker and not for their next attempt."""
    return [a for a in description.pending_activities if a.state == 1 and a.attempt == 1] if description else []


# -- calls -------------------------------------------------------------------------------------------------------------
# Each takes the chance and gives a function that makes the same call on a side. Nothing is drawn while it is made.
def starting(chance):
    base, fields = chance.choice(WORKFLOWS), {"request_id": f"start-{chance.randrange(6)}"}
    if chance.random() < 0.4:
        fields["workflow_id_reuse_policy"] = chance.randrange(5)
    if chance.random() < 0.4:
        fields["workflow_id_conflict_policy"] = chance.randrange(4)
    if chance.random() < 0.2:
        fields["on_conflict_options"] = {"attach_request_id": chance.random() < 0.8, "attach_links": chance.random() < 0.5}
    if chance.random() < 0.2:
        fields["retry_policy"] = retry_policy(attempts=chance.randrange(4), initial=300)
    if chance.random() < 0.3:
        fields["memo"] = {"fields": {"m": kit.payload(chance.randrange(3))}}
    if chance.random() < 0.1:
        fields["request_eager_execution"] = True

    def call(side):
        started = side.trace.start_workflow(side.trace.id(base), queue=side.trace.queue(base), fails=None, **LONG, **fields)
        if not isinstance(started, RpcFailed) and started.eager_workflow_task.task_token:
            side.tasks.append(started.eager_workflow_task)
    return call


def signalling(chance):
    base, name, request_id = chance.choice(WORKFLOWS), chance.choice(["s", "t"]), chance.choice(["", "1", "2"])
    return lambda side: side.trace.signal(side.trace.id(base), name, 1, request_id=request_id, fails=None)


def signalling_with_start(chance):
    base, request_id = chance.choice(WORKFLOWS), chance.choice(["", "1", "3"])
    fields = {"workflow_id_conflict_policy": chance.choice([0, 0, 1, 2, 3]), "workflow_id_reuse_policy": chance.choice([0, 0, 1, 2, 3, 4])}
    return lambda side: side.trace.call(
        "SignalWithStartWorkflowExecution", fails=None, workflow_id=side.trace.id(base), workflow_type={"name": "wf"},
        task_queue={"name": side.trace.queue(base)}, signal_name="w", request_id=request_id, **LONG, **fields)


def canceling(chance):
    base, request_id = chance.choice(WORKFLOWS), chance.choice(["", "1"])
    return lambda side: side.trace.cancel(side.trace.id(base), fails=None, request_id=request_id)


def terminating(chance):
    base = chance.choice(WORKFLOWS)
    return lambda side: side.trace.terminate(side.trace.id(base), fails=None, reason="enough")


def resetting(chance):
    base, event_id = chance.choice(WORKFLOWS), chance.choice([3, 4, 4, 4, 7, 9, 10])
    exclude = chance.sample([1, 2, 3], chance.choice([0, 0, 1]))
    return lambda side: side.trace.call(
        "ResetWorkflowExecution", fails=None, workflow_execution={"workflow_id": side.trace.id(base)}, reason="again",
        workflow_task_finish_event_id=event_id, request_id=f"reset-{base}-{event_id}-{len(side.trace.steps)}",
        reset_reapply_exclude_types=exclude)


def operating(chance):
    rpc, base = chance.choice(["PauseActivity", "UnpauseActivity", "ResetActivity"]), chance.choice(WORKFLOWS)
    which = chance.choice([{"id": "x"}, {"id": "y"}, {"type": "act"}])
    return lambda side: side.trace.call(rpc, fails=None, execution={"workflow_id": side.trace.id(base)}, **which)


def changing_options(chance):
    base, key = chance.choice(WORKFLOWS), chance.randrange(-1, 6)
    return lambda side: side.trace.call(
        "UpdateWorkflowExecutionOptions", fails=None, workflow_execution={"workflow_id": side.trace.id(base)},
        workflow_execution_options={"priority": {"priority_key": key}}, update_mask={"paths": ["priority"]})


def updating(chance):
    """An update of an open workflow; its answer comes later, if at all, and is compared then."""
    base, uid = chance.choice(WORKFLOWS), f"u{chance.randrange(3)}"
    stage = chance.choice(["ACCEPTED", "COMPLETED"])

    def call(side):
        known = side.known(base)
        if known is None or known.workflow_execution_info.status != 1:
            return updates.update_now(side.trace, side.trace.id(base), uid, fails=None, stage=stage)
        side.updates.append(side.trace.start("UpdateWorkflowExecution", **updates.update_fields(side.trace.id(base), uid, stage=stage)))
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and not side.updates[-1].done():
            found = side.trace.quiet("PollWorkflowExecutionUpdate", fails=None, **updates.poll_fields(side.trace.id(base), uid, None))
            if not isinstance(found, RpcFailed):
                break
            time.sleep(0.05)
        return None
    return call


def describing(chance):
    base = chance.choice(WORKFLOWS)
    return lambda side: side.trace.describe(side.trace.id(base), fails=None)


# -- workers -----------------------------------------------------------------------------------------------------------
def taking(chance):
    turn = chance.randrange(len(WORKFLOWS))

    def call(side):
        waiting = [base for base in WORKFLOWS if has_task(side.known(base))]
        base = waiting[turn % len(waiting)] if waiting else WORKFLOWS[turn]
        task = side.trace.call("PollWorkflowTaskQueue", timeout=POLL_S, fails=None, task_queue={"name": side.trace.queue(base)})
        if not isinstance(task, RpcFailed) and task.task_token:
            side.tasks.append(task)
    return call


def commands(chance):
    """Some commands, as a function of the side: names differ from side to side."""
    target, own = chance.choice(WORKFLOWS), chance.choice(WORKFLOWS)
    choices = [
        lambda t: timer(chance_id, 300),
        lambda t: activity(chance_id, queue=t.queue(f"act-{chance_id}"), start_to_close=300, retry_policy=retry_policy(attempts=attempts, initial=300),
                           **({"heartbeat_timeout": seconds(300)} if attempts else {})),
        lambda t: command("record_marker", marker_name="m", details={"d": payloads(1)}),
        lambda t: command("modify_workflow_properties", upserted_memo={"fields": {"n": kit.payload(attempts)}}),
        lambda t: child(t.id(target), queue=t.queue(target), parent_close_policy=attempts, **LONG),
        lambda t: command("signal_external_workflow_execution", execution={"workflow_id": t.id(target)}, signal_name="x"),
        lambda t: command("request_cancel_external_workflow_execution", workflow_id=t.id(target)),
        lambda t: command("cancel_timer", timer_id=chance_id),
        lambda t: command("request_cancel_activity_task", scheduled_event_id=chance_number),
    ]
    ends = [lambda t: complete(1), lambda t: fail(), lambda t: canceled(), lambda t: continue_as_new(queue=t.queue(own), **LONG)]
    chance_id, attempts, chance_number = chance.choice(["x", "y", "z"]), chance.randrange(4), chance.choice([5, 6, 7, 11])
    made = [chance.choice(choices) for _ in range(chance.choice([0, 1, 1, 1, 2]))]
    if chance.random() < 0.25:
        made.append(chance.choice(ends))
    return lambda trace: [make(trace) for make in made]


def answering(chance):
    make, which = commands(chance), chance.randrange(4)
    fields = {}
    if chance.random() < 0.15:
        fields["force_create_new_workflow_task"] = True
    verdict, failing = chance.choice(["complete", "complete", "accept", "reject", "ignore"]), chance.random() < 0.12

    def call(side):
        if not side.tasks:
            return
        task = side.tasks.pop(which % len(side.tasks))
        if failing:
            side.trace.call("RespondWorkflowTaskFailed", fails=None, task_token=task.task_token, cause=1, failure=failure("panic"))
            return
        messages = []
        for request in task.messages:
            uid = request.protocol_instance_id
            if verdict in ("accept", "complete"):
                messages.append(updates.accept(task, uid))
            if verdict == "complete":
                messages.append(updates.reply(uid, 1))
            if verdict == "reject":
                messages.append(updates.reject(task, uid))
        side.trace.complete_task(task, *updates.mention(*messages), *make(side.trace), fails=None, messages=messages, **fields)
    return call


def working(chance):
    turn = chance.randrange(3)

    def call(side):
        waiting = sorted({a.activity_id for base in WORKFLOWS for a in fresh_activities(side.known(base))})
        which = waiting[turn % len(waiting)] if waiting else "x"
        task = side.trace.call("PollActivityTaskQueue", timeout=POLL_S, fails=None, task_queue={"name": side.trace.queue(f"act-{which}")})
        if not isinstance(task, RpcFailed) and task.task_token:
            side.activities.append(task)
    return call


def finishing(chance):
    kind, which, drops = chance.choice(["complete", "fail", "fail for good", "cancel", "heartbeat"]), chance.randrange(4), chance.random() < 0.8

    def call(side):
        if not side.activities:
            return
        place = which % len(side.activities)
        task = side.activities[place]
        if kind != "heartbeat" and drops:
            side.activities.pop(place)
        t = side.trace
        if kind == "complete":
            t.complete_activity(task, 1, fails=None)
        elif kind == "heartbeat":
            t.call("RecordActivityTaskHeartbeat", fails=None, task_token=task.task_token, details=payloads("beat"))
        elif kind == "cancel":
            t.call("RespondActivityTaskCanceled", fails=None, task_token=task.task_token)
        else:
            t.fail_activity(task, failure(non_retryable=kind == "fail for good"), fails=None)
    return call


def finishing_by_id(chance):
    base, activity_id = chance.choice(WORKFLOWS), chance.choice(["x", "y"])
    rpc, fields = chance.choice([("RespondActivityTaskCompletedById", {"result": payloads(1)}), ("RecordActivityTaskHeartbeatById", {}),
                                 ("RespondActivityTaskFailedById", {"failure": failure()})])
    return lambda side: side.trace.call(rpc, fails=None, workflow_id=side.trace.id(base), activity_id=activity_id, **fields)


CLIENTS = [starting, starting, signalling, signalling, signalling_with_start, canceling, terminating, resetting, operating, changing_options,
           updating, updating, describing]
WORKERS = [finishing, finishing, finishing_by_id]


def next_call(chance, sides):
    """A call that makes sense on the reference; the other side makes the same."""
    reference = sides[0]
    draw = chance.random()
    if draw < 0.35:
        return chance.choice(CLIENTS)
    if reference.tasks and draw < 0.7:
        return answering
    if reference.activities and draw < 0.8:
        return chance.choice(WORKERS)
    found = [reference.known(base) for base in WORKFLOWS]
    if any(map(has_task, found)):
        return taking
    if any(map(fresh_activities, found)):
        return working
    return chance.choice(CLIENTS)


# -- comparing ---------------------------------------------------------------------------------------------------------
class Known:
    """What differs on purpose."""

    def __init__(self):
        lines = [(kind, re.compile(pattern)) for kind, pattern, _ in run.entries(HERE / "differences.txt", 3)]
        self.paths = [p for kind, p in lines if kind == "path"] + run.Differences(ROOT / "conformance" / "differences.txt").of("lockstep/script")
        self.ends = [p for kind, p in lines if kind == "end"]

    def is_an_end(self, told):
        """Whether the two servers are in different states from here on, for a known reason."""
        return any(p.fullmatch(told) for p in self.ends)

    def differences(self, want, got):
        for path, w, g in run.differences(want, json.loads(json.dumps(got)), False):
            full = f"{run.label(want)}{path}"
            told = f"{full}: {run.short(w)} there, {run.short(g)} here"
            if not path.startswith(".request") and not any(p.fullmatch(full) for p in self.paths):
                yield told


def settled(sides, both):
    """Waits until both have done what the last call set off; how they differ if that does not happen."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        shapes = list(both.map(Side.shape, sides))
        if shapes[0] == shapes[1]:
            return None
        if time.monotonic() > deadline:
            return f"after it: {shapes[0]} there, {shapes[1]} here"
        time.sleep(0.05)


def closing(side):
    """What is to be seen of everything at the end."""
    for base in WORKFLOWS:
        if side.known(base):
            side.trace.describe(side.trace.id(base), fails=None)
            side.trace.history(side.trace.id(base))
    for pending in side.updates:
        if pending.done():
            pending.wait(fails=None)


def play(targets, seed, steps, known):
    """Plays one script; what differed first, with the calls that led there."""
    chance, told = random.Random(seed), []
    sides = [Side(target, f"lockstep/{seed}") for target in targets]
    with ThreadPoolExecutor(2) as both:
        try:
            for number in range(steps + 1):
                begin = len(sides[0].trace.steps)
                kind = next_call(chance, sides) if number < steps else None
                call = kind(chance) if kind else closing
                list(both.map(call, sides))
                name = kind.__name__ if kind else "the end"
                made = [side.trace.steps[begin:] for side in sides]
                told += [f"{number} {name}: {json.dumps(step.get('request', step.get('history')))[:240]}" for step in made[0]]
                found = [d for want, got in zip(*made) for d in known.differences(want, got)]
                if len(made[0]) != len(made[1]):
                    found.append(f"{name}: {len(made[0])} calls there, {len(made[1])} here")
                late = None if kind is None else settled(sides, both)
                if any(map(known.is_an_end, found)):
                    break
                if found or late:
                    return told, [*found, *([late] if late else [])]
            return told, []
        finally:
            for side in sides:
                side.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", help="address of the reference server")
    parser.add_argument("server", help="address of the server that is compared with it")
    parser.add_argument("--seed", type=int, default=1, help="of the first script; the others follow")
    parser.add_argument("--scripts", type=int, default=20)
    parser.add_argument("--steps", type=int, default=40, help="calls of each script")
    parser.add_argument("--goes-on", action="store_true", help="play the other scripts after a difference")
    args = parser.parse_args()
    known, differing = Known(), 0
    for seed in range(args.seed, args.seed + args.scripts):
        told, found = play([args.reference, args.server], seed, args.steps, known)
        print(f"{'DIFF' if found else 'ok  '} seed {seed}, {len(told)} calls", flush=True)
        if not found:
            continue
        differing += 1
        print("\n".join([*(f"       {line}" for line in told[-25:]), *(f"     * {line}" for line in found[:12])]), flush=True)
        if not args.goes_on:
            break
    print(f"{differing} scripts differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
