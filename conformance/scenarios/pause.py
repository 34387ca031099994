"""Paused workflows. The server is started with `frontend.WorkflowPauseEnabled=true`."""
from kit import *


def pause(t, w, fails=False, **fields):
    return t.call("PauseWorkflowExecution", fails=fails, workflow_id=w, **fields)


def unpause(t, w, fails=False, **fields):
    return t.call("UnpauseWorkflowExecution", fails=fails, workflow_id=w, **fields)


def idle(t, w, *commands):
    t.quiet("StartWorkflowExecution", workflow_id=w, workflow_type={"name": "wf"}, task_queue={"name": t.queue("q")})
    task = t.poll_workflow(record=False)
    t.quiet("RespondWorkflowTaskCompleted", task_token=task.task_token, commands=list(commands))


def end(t, w):
    t.quiet("TerminateWorkflowExecution", fails=None, workflow_execution={"workflow_id": w})


@scenario
def paused_and_unpaused(t):
    """A pause and its end are events that workers may ignore; meanwhile a signal brings no task, and the end of the pause brings one."""
    w = t.id("w")
    idle(t, w)
    pause(t, w, reason="wait", request_id="p")
    t.signal(w)
    t.describe(w)
    unpause(t, w, reason="go", request_id="u")
    t.poll_workflow(record=False)
    t.history(w)
    end(t, w)


@scenario
def the_same_request_again(t):
    """A pause with the same request id is done already and writes nothing; another one is refused, as is one without an id."""
    w = t.id("w")
    idle(t, w)
    pause(t, w, request_id="p")
    pause(t, w, request_id="p")
    pause(t, w, request_id="q", fails=True)
    unpause(t, w, request_id="u")
    unpause(t, w, request_id="u", fails=True)
    pause(t, w)
    pause(t, w, fails=True)
    t.history(w)
    end(t, w)


@scenario
def texts_too_long(t):
    """Reason, request id and identity have a greatest length, which is looked at before the workflow."""
    for call in (pause, unpause):
        for name in ("reason", "request_id", "identity"):
            call(t, t.id("nobody"), fails=True, **{name: "x" * 1001})
        call(t, t.id("nobody"), fails=True)


@scenario
def closed_workflow(t):
    """A closed workflow can be neither paused nor unpaused."""
    w = t.id("w")
    idle(t, w, complete())
    pause(t, w, fails=True)
    unpause(t, w, fails=True)


@scenario
def during_a_task(t):
    """A pause that comes while a worker has a task is written after it, and nothing follows until the end of the pause."""
    w = t.id("w")
    idle(t, w)
    t.signal(w)
    task = t.poll_workflow(record=False)
    pause(t, w)
    t.complete_task(task, timer("t", 60))
    t.signal(w)
    t.history(w)
    unpause(t, w)
    t.poll_workflow(record=False)
    t.history(w)
    end(t, w)


@scenario
def activities_wait(t):
    """Activities of a paused workflow are not handed out until the end of the pause; one that a worker has may end."""
    w = t.id("w")
    idle(t, w, activity("a", queue=t.queue("q")), activity("b", queue=t.queue("q2")))
    task = t.poll_activity(record=False)
    pause(t, w)
    t.note(f"a poll finds an activity: {bool(t.quiet('PollActivityTaskQueue', timeout=3, fails=None, task_queue={'name': t.queue('q2')}).task_token)}")
    t.complete_activity(task, 1)
    t.history(w)
    unpause(t, w)
    t.poll_activity(t.queue("q2"), record=False)
    t.poll_workflow(record=False)
    t.history(w)
    end(t, w)
