//! Examples of a workflow's life: requests in, history as text out (the golden histories of the protocol).

use crate::reply::Reply;
use crate::workflow::decide::Request;
use crate::workflow::testing::{SECOND_NS, World, command, json, start_request};
use evertide_proto::command::Command;
use evertide_proto::command::{
    CancelTimerCommandAttributes, CompleteWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
};
use evertide_proto::common::{Payload, SearchAttributes};
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use evertide_proto::update::{Input, Meta};
use evertide_proto::workflowservice as ws;

fn timer(id: &str, seconds: i64) -> Command {
    command(StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: Some(crate::duration::from_ns(seconds * SECOND_NS)),
    })
}

fn cancel_timer(id: &str) -> Command {
    command(CancelTimerCommandAttributes { timer_id: id.to_owned() })
}

fn done() -> Command {
    command(CompleteWorkflowExecutionCommandAttributes { result: Some(json("1")) })
}

fn fail_task(world: &mut World, token: &bytes::Bytes) {
    let request = ws::RespondWorkflowTaskFailedRequest {
        task_token: token.clone(),
        cause: Cause::NonDeterministicError.into(),
        ..ws::RespondWorkflowTaskFailedRequest::default()
    };
    let token = crate::token::TaskToken::from_bytes(token).expect("a token of ours");
    world.step(Request::FailWorkflowTask(Box::new(request), token)).expect("the task is the worker's");
}

#[test]
fn a_workflow_that_completes_in_its_first_task() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    assert_eq!((task.history_from, task.history_until, task.response.started_event_id), (1, 4, 3));
    w.complete(&task, vec![done()]).expect("a good answer");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 WorkflowExecutionCompleted",
    );
    assert!(w.complete(&task, vec![done()]).is_err(), "a task is answered once");
}

#[test]
fn a_timer_fires_and_wakes_the_workflow() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.complete(&task, vec![timer("t", 30)]).expect("a good answer");
    w.advance(29 * SECOND_NS);
    assert!(w.poll().is_none(), "nothing is due yet");
    w.advance(SECOND_NS);
    let task = w.poll().expect("a task");
    w.complete(&task, vec![done()]).expect("a good answer");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 WorkflowExecutionCompleted",
    );
}

#[test]
fn a_signal_behind_a_started_task_is_written_after_the_tasks_own_events() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.signal("s").expect("taken");
    w.complete(&task, vec![timer("t", 30)]).expect("a good answer");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 WorkflowExecutionSignaled
         7 WorkflowTaskScheduled",
    );
}

#[test]
fn search_attributes_that_are_too_large_end_the_workflow_and_wrong_ones_fail_the_task() {
    let upsert = |name: &str, data: String| {
        let metadata = [("encoding".to_owned(), bytes::Bytes::from_static(b"json/plain"))].into();
        let value = Payload { metadata, data: data.into(), ..Payload::default() };
        let attributes = SearchAttributes { indexed_fields: [(name.to_owned(), value)].into() };
        command(UpsertWorkflowSearchAttributesCommandAttributes { search_attributes: Some(attributes) })
    };
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.complete(&task, vec![upsert("BatcherUser", "5".to_owned())]).expect_err("refused");
    let task = w.poll().expect("another attempt");
    let refused = w.complete(&task, vec![upsert("BatcherUser", format!("\"{}\"", "x".repeat(2047)))]);
    let refused = refused.expect_err("refused");
    assert_eq!(
        refused.message,
        "BadSearchAttributes: search attribute BatcherUser value size 2049 exceeds size limit 2048"
    );
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowExecutionTerminated",
    );
}

#[test]
fn a_workflow_cannot_close_over_a_signal_it_has_not_seen() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.signal("s").expect("taken");
    let refused = w.complete(&task, vec![done()]).expect_err("refused");
    assert_eq!(refused.message, "UnhandledCommand");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowExecutionSignaled
         6 WorkflowTaskScheduled",
    );
}

#[test]
fn canceling_a_timer_that_fired_unseen_takes_the_firing_back() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.complete(&task, vec![timer("t", 1)]).expect("a good answer");
    w.signal("s").expect("taken");
    let task = w.poll().expect("a task");
    w.advance(SECOND_NS);
    w.complete(&task, vec![cancel_timer("t")]).expect("a good answer");
    assert!(w.history().ends_with("10 TimerCanceled"), "{}", w.history());
}

#[test]
fn retried_tasks_are_written_only_when_they_complete() {
    let mut w = World::new();
    for _ in 0..2 {
        let task = w.poll().expect("a task");
        fail_task(&mut w, &task.response.task_token);
    }
    let task = w.poll().expect("a task");
    assert_eq!((task.response.attempt, task.virtual_events.len()), (3, 2));
    w.complete(&task, vec![done()]).expect("a good answer");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted
         7 WorkflowTaskCompleted
         8 WorkflowExecutionCompleted",
    );
}

#[test]
fn a_signal_makes_a_waiting_retry_a_first_attempt_again() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    fail_task(&mut w, &task.response.task_token);
    w.signal("s").expect("taken");
    let task = w.poll().expect("a task");
    assert_eq!(task.response.attempt, 1);
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowExecutionSignaled
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
    );
}

#[test]
fn a_sticky_task_that_nobody_takes_goes_to_the_normal_queue() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    let sticky = StickyExecutionAttributes {
        worker_task_queue: Some(TaskQueue { name: "mine".to_owned(), ..TaskQueue::default() }),
        schedule_to_start_timeout: Some(crate::duration::from_ns(5 * SECOND_NS)),
    };
    w.complete_with(ws::RespondWorkflowTaskCompletedRequest {
        task_token: task.response.task_token,
        commands: vec![timer("t", 60)],
        sticky_attributes: Some(sticky),
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    })
    .expect("a good answer");
    w.signal("s").expect("taken");
    w.advance(5 * SECOND_NS);
    let task = w.poll().expect("a task");
    assert_eq!(task.history_from, 1, "another worker needs the whole history");
    assert!(
        w.history().ends_with(
            "7 WorkflowTaskScheduled\n8 WorkflowTaskTimedOut\n9 WorkflowTaskScheduled\n10 WorkflowTaskStarted"
        ),
        "{}",
        w.history()
    );
}

#[test]
fn termination_fails_the_task_in_flight_and_writes_what_waited() {
    let mut w = World::new();
    w.poll().expect("a task");
    w.signal("s").expect("taken");
    w.step(Request::Terminate(Box::default())).expect("an open run");
    w.expect_history(
        "1 WorkflowExecutionStarted
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowExecutionSignaled
         6 WorkflowExecutionTerminated",
    );
    assert!(w.signal("late").is_err());
}

#[test]
fn a_start_delay_holds_the_first_task_back_but_not_a_cancel_request() {
    let mut request = start_request();
    request.workflow_start_delay = Some(crate::duration::from_ns(60 * SECOND_NS));
    let mut w = World::start(request);
    w.signal("s").expect("taken");
    assert_eq!(w.history(), "1 WorkflowExecutionStarted\n2 WorkflowExecutionSignaled");
    w.step(Request::Cancel(Box::default())).expect("taken");
    assert!(w.history().ends_with("3 WorkflowExecutionCancelRequested\n4 WorkflowTaskScheduled"), "{}", w.history());
}

#[test]
fn an_update_that_is_rejected_leaves_no_trace() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    w.complete(&task, vec![timer("t", 3600)]).expect("a good answer");
    let (before, events) = (w.exec.state.clone(), w.events.len());
    let update = ws::UpdateWorkflowExecutionRequest {
        request: Some(evertide_proto::update::Request {
            meta: Some(Meta { update_id: "u".to_owned(), ..Meta::default() }),
            input: Some(Input { name: "n".to_owned(), ..Input::default() }),
            ..evertide_proto::update::Request::default()
        }),
        ..ws::UpdateWorkflowExecutionRequest::default()
    };
    w.step(Request::Update(Box::new(update))).expect("admitted");
    let task = w.poll().expect("a speculative task");
    assert_eq!(task.response.messages.len(), 1);
    let answer = ws::RespondWorkflowTaskCompletedRequest {
        task_token: task.response.task_token,
        capabilities: Some(ws::respond_workflow_task_completed_request::Capabilities {
            discard_speculative_workflow_task_with_events: true,
        }),
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    };
    let reply = w.complete_with(answer).expect("an answer that ignores the update");
    assert_eq!(reply, Reply::TaskCompleted { reset_history_event_id: 3, activity_tasks: Vec::new(), new_task: None });
    assert_eq!((before, events), (w.exec.state.clone(), w.events.len()));
}
