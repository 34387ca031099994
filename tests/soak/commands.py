"""What workers of the soak answer to workflow tasks: a function from a workflow's type and history to commands."""
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import EventType
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Request, Response

QUEUE = "soak"


def command(kind):
    """A command by the end of its attributes' name."""
    made = Command()
    field = f"{kind}_command_attributes"
    getattr(made, field).SetInParent()
    made.command_type = f"COMMAND_TYPE_{kind.upper()}"
    return made, getattr(made, field)


def complete():
    return command("complete_workflow_execution")[0]


def fail():
    made, a = command("fail_workflow_execution")
    a.failure.message = "as planned"
    return made


def activity(number):
    made, a = command("schedule_activity_task")
    a.activity_id, a.activity_type.name, a.task_queue.name = str(number), "activity", QUEUE
    a.start_to_close_timeout.seconds, a.heartbeat_timeout.seconds = 20, 10
    a.retry_policy.maximum_attempts = 3
    a.retry_policy.initial_interval.FromMilliseconds(50)
    return made


def timer():
    made, a = command("start_timer")
    a.timer_id = "timer"
    a.start_to_fire_timeout.FromMilliseconds(30)
    return made


def child(wid):
    made, a = command("start_child_workflow_execution")
    a.workflow_id, a.workflow_type.name, a.task_queue.name = f"{wid}/child", "noop", QUEUE
    return made


def again():
    made, a = command("continue_as_new_workflow_execution")
    a.workflow_type.name, a.task_queue.name = "noop", QUEUE
    return made


def count(events, kind):
    wanted = EventType.Value(f"EVENT_TYPE_{kind}")
    return sum(event.event_type == wanted for event in events)


def decide(workflow_type, wid, events):
    """The next commands of a workflow of that type."""
    if count(events, "WORKFLOW_EXECUTION_CANCEL_REQUESTED"):
        return [command("cancel_workflow_execution")[0]]
    match workflow_type:
        case "noop" | "cron":
            return [complete()]
        case "failing":
            return [fail()]
        case "again":
            return [again()]
        case "activity":
            done, begun = count(events, "ACTIVITY_TASK_COMPLETED"), count(events, "ACTIVITY_TASK_SCHEDULED")
            return [complete()] if done == 2 else [activity(begun)] if begun == done else []
        case "timer":
            begun = count(events, "TIMER_STARTED")
            return [timer()] if not begun else [complete()] if count(events, "TIMER_FIRED") else []
        case "child":
            begun = count(events, "START_CHILD_WORKFLOW_EXECUTION_INITIATED")
            return [child(wid)] if not begun else [complete()] if count(events, "CHILD_WORKFLOW_EXECUTION_COMPLETED") else []
    return []


def answer_updates(requests):
    """Accepts and completes all updates of a task: the messages, and the commands that give them their place."""
    messages, places = [], []
    for request in requests:
        asked = Request()
        request.body.Unpack(asked)
        accepted = Acceptance(
            accepted_request_message_id=request.id, accepted_request_sequencing_event_id=request.event_id, accepted_request=asked)
        response = Response(meta=asked.meta)
        response.outcome.success.SetInParent()
        for what, body in [("accept", accepted), ("complete", response)]:
            message = Message(id=f"{request.id}/{what}", protocol_instance_id=request.protocol_instance_id)
            message.body.Pack(body)
            messages.append(message)
            place, a = command("protocol_message")
            a.message_id = message.id
            places.append(place)
    return messages, places
