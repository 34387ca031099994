//! Examples of updates: what becomes of them with the tasks that carry them.

use crate::effects::UpdateSignal;
use crate::rejection::Code;
use crate::reply::Reply;
use crate::reply::StartedTask;
use crate::workflow::decide::Request;
use crate::workflow::testing::{SECOND_NS, World, command, start_request};
use evertide_proto::command::{CompleteWorkflowExecutionCommandAttributes, StartTimerCommandAttributes};
use evertide_proto::common::Callback;
use evertide_proto::protocol::Message;
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Acceptance, Input, Meta, Rejection};
use evertide_proto::workflowservice as ws;
use prost_types::Any;

fn request(id: &str) -> ws::UpdateWorkflowExecutionRequest {
    ws::UpdateWorkflowExecutionRequest {
        request: Some(evertide_proto::update::Request {
            meta: Some(Meta { update_id: id.to_owned(), ..Meta::default() }),
            input: Some(Input { name: "n".to_owned(), ..Input::default() }),
            ..evertide_proto::update::Request::default()
        }),
        ..ws::UpdateWorkflowExecutionRequest::default()
    }
}

fn send(world: &mut World, id: &str) {
    world.step(Request::Update(Box::new(request(id)))).expect("admitted");
}

fn message(id: &str, body: Any) -> Message {
    Message { id: format!("{id}/answer"), protocol_instance_id: id.to_owned(), body: Some(body), ..Message::default() }
}

fn rejection(id: &str) -> Message {
    message(id, Any::from_msg(&Rejection::default()).expect("it encodes"))
}

fn acceptance(id: &str, sequencing_event_id: i64) -> Message {
    let acceptance = Acceptance {
        accepted_request_message_id: format!("{id}/request"),
        accepted_request_sequencing_event_id: sequencing_event_id,
        ..Acceptance::default()
    };
    message(id, Any::from_msg(&acceptance).expect("it encodes"))
}

fn answer(world: &mut World, task: &StartedTask, messages: Vec<Message>) -> Reply {
    let request = ws::RespondWorkflowTaskCompletedRequest {
        task_token: task.response.task_token.clone(),
        messages,
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    };
    world.complete_with(request).expect("a good answer")
}

fn delayed() -> World {
    let mut request = start_request();
    request.workflow_start_delay = Some(crate::duration::from_ns(3600 * SECOND_NS));
    World::start(request)
}

#[test]
fn a_rejected_update_of_a_delayed_workflow_leaves_no_trace() {
    let mut w = delayed();
    let (state, history) = (w.exec.state.clone(), w.history());
    send(&mut w, "u");
    let task = w.poll().expect("a speculative task");
    assert_eq!((task.response.started_event_id, task.response.messages.len()), (3, 1));
    answer(&mut w, &task, vec![rejection("u")]);
    assert_eq!((w.exec.state.clone(), w.history()), (state, history), "it still waits for its start");

    w.advance(3600 * SECOND_NS);
    let task = w.poll().expect("the first task");
    assert_eq!(task.response.started_event_id, 3);
}

#[test]
fn an_accepted_update_ends_the_wait_for_the_start() {
    let mut w = delayed();
    send(&mut w, "u");
    let task = w.poll().expect("a speculative task");
    answer(&mut w, &task, vec![acceptance("u", 2)]);
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 WorkflowExecutionUpdateAccepted",
    );
    w.advance(3600 * SECOND_NS);
    assert!(w.poll().is_none(), "nothing is due any more");
}

#[test]
fn the_speculative_task_becomes_the_first_one_when_that_is_due() {
    let mut w = delayed();
    w.now_ns += 3599 * SECOND_NS;
    send(&mut w, "u");
    let task = w.poll().expect("a speculative task");
    w.advance(SECOND_NS);
    assert_eq!(w.history(), "1 WorkflowExecutionStarted\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted");
    answer(&mut w, &task, vec![rejection("u")]);
    assert!(w.history().ends_with("4 WorkflowTaskCompleted"), "{}", w.history());
}

#[test]
fn a_worker_that_keeps_its_task_alive_with_commands_keeps_its_updates() {
    let mut w = World::new();
    send(&mut w, "u");
    let task = w.poll().expect("a task");
    let timer = StartTimerCommandAttributes {
        timer_id: "t".to_owned(),
        start_to_fire_timeout: Some(crate::duration::from_ns(SECOND_NS)),
    };
    let heartbeat = ws::RespondWorkflowTaskCompletedRequest {
        task_token: task.response.task_token,
        commands: vec![command(timer)],
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    };
    let Reply::TaskCompleted { new_task: Some(next), .. } = w.complete_with(heartbeat).expect("a good answer") else {
        panic!("the next task is in the answer");
    };
    assert!(!w.told.contains_key("u"), "nobody has said anything of the update yet");
    assert!(next.response.messages.is_empty(), "the worker has it already");
    answer(&mut w, &next, vec![acceptance("u", 2)]);
    assert_eq!(w.told["u"], UpdateSignal::Accepted);
}

/// A run made by a reset, to which an update was carried over, with a client that waits for it and a worker at its task.
fn carried_over() -> (World, StartedTask) {
    let mut w = World::new();
    send(&mut w, "u");
    let task = w.poll().expect("a task");
    answer(&mut w, &task, vec![acceptance("u", 2)]);
    let mut w = w.after_reset_to(4);
    assert!(w.history().contains("WorkflowExecutionUpdateAdmitted"), "{}", w.history());
    let task = w.poll().expect("a task");
    (w, task)
}

#[test]
fn an_update_that_a_reset_carried_over_is_rejected_if_the_worker_ignores_it() {
    let (mut w, task) = carried_over();
    answer(&mut w, &task, Vec::new());
    let UpdateSignal::Completed(outcome) = &w.told["u"] else { panic!("rejected") };
    let Some(Value::Failure(failure)) = &outcome.value else { panic!("rejected") };
    assert!(failure.message.starts_with("Workflow Update is rejected because it wasn't processed by worker."));
    assert!(!w.exec.state.updates.contains_key("u"), "its id is free again");
}

#[test]
fn an_update_that_a_reset_carried_over_is_aborted_when_the_run_closes() {
    let (mut w, task) = carried_over();
    let done = command(CompleteWorkflowExecutionCommandAttributes { result: None });
    w.complete(&task, vec![done]).expect("a good answer");
    let UpdateSignal::Aborted(why) = &w.told["u"] else { panic!("aborted") };
    assert_eq!((why.code, why.message.as_ref()), (Code::NotFound, "workflow update was aborted by closing workflow"));

    let (mut w, _) = carried_over();
    w.step(Request::Terminate(Box::default())).expect("an open run");
    assert!(matches!(&w.told["u"], UpdateSignal::Aborted(why) if why.code == Code::NotFound));
}

#[test]
fn callbacks_of_an_update_are_refused() {
    let mut w = World::new();
    let mut with_callback = request("u");
    if let Some(update) = &mut with_callback.request {
        update.completion_callbacks.push(Callback::default());
    }
    let refused = w.step(Request::Update(Box::new(with_callback))).expect_err("refused");
    assert_eq!(refused.code, Code::Unimplemented);
}
