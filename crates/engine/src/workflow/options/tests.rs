//! Examples of pauses and of options that cannot be honoured.

use crate::limits::Limits;
use crate::rejection::Code;
use crate::reply::Decided;
use crate::workflow::decide::Request;
use crate::workflow::testing::{SECOND_NS, World, start_request};
use evertide_proto::workflowservice as ws;

fn pausable() -> World {
    let limits = Limits { workflow_pause: true, ..Limits::default() };
    World::start_within(start_request(), limits).expect("the start is accepted")
}

fn pause(world: &mut World, request_id: &str) -> Decided {
    world.step(Request::Pause(Box::new(ws::PauseWorkflowExecutionRequest {
        request_id: request_id.to_owned(),
        ..ws::PauseWorkflowExecutionRequest::default()
    })))
}

#[test]
fn a_repeated_pause_is_done_already_and_another_one_is_refused() {
    let mut w = pausable();
    pause(&mut w, "p").expect("paused");
    let events = w.events.len();
    assert!(w.events[events - 1].worker_may_ignore, "workers that do not know pauses must not fail on them");
    pause(&mut w, "p").expect("it is paused by this request");
    assert_eq!(w.events.len(), events, "once is enough");
    assert_eq!(pause(&mut w, "q").expect_err("refused").message, "workflow is already paused.");

    w.step(Request::Unpause(Box::default())).expect("unpaused");
    assert!(w.events.iter().any(|e| e.worker_may_ignore && e.event_id > 3), "{}", w.history());
    pause(&mut w, "p").expect("a pause of its own");
    assert!(w.history().ends_with("WorkflowExecutionPaused"), "{}", w.history());
}

#[test]
fn a_task_that_waits_is_handed_out_when_the_pause_is_over() {
    let mut w = pausable();
    pause(&mut w, "p").expect("paused");
    assert!(w.poll().is_none(), "nothing is handed out of a paused workflow");
    w.signal("s").expect("taken");
    w.step(Request::Unpause(Box::default())).expect("unpaused");
    w.poll().expect("the task");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowExecutionPaused
         4 WorkflowExecutionSignaled
         5 WorkflowExecutionUnpaused
         6 WorkflowTaskStarted",
    );
}

#[test]
fn a_first_task_that_comes_due_in_a_pause_comes_after_it() {
    let mut request = start_request();
    request.workflow_start_delay = Some(crate::duration::from_ns(60 * SECOND_NS));
    let limits = Limits { workflow_pause: true, ..Limits::default() };
    let mut w = World::start_within(request, limits).expect("the start is accepted");
    pause(&mut w, "p").expect("paused");
    assert_eq!(w.exec.deadline_ns(), 0, "nothing is due in a pause");
    w.advance(90 * SECOND_NS);
    w.step(Request::Unpause(Box::default())).expect("unpaused");
    w.advance(0);
    w.poll().expect("the first task");
}

#[test]
fn long_texts_of_a_pause_are_refused() {
    let mut w = pausable();
    let long = "x".repeat(1001);
    let refused = pause(&mut w, &long).expect_err("refused");
    assert_eq!((refused.code, refused.message.as_ref()), (Code::InvalidArgument, "request id is too long."));
    let unpause =
        ws::UnpauseWorkflowExecutionRequest { reason: long, ..ws::UnpauseWorkflowExecutionRequest::default() };
    let refused = w.step(Request::Unpause(Box::new(unpause))).expect_err("refused");
    assert_eq!(refused.message, "reason is too long.");
}
