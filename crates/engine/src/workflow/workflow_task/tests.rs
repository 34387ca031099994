//! Examples of workflow tasks that fail, and of what readers see of them meanwhile.

use crate::reply::StartedTask;
use crate::visibility::{AttributeType, SearchValue, payload};
use crate::workflow::decide::Request;
use crate::workflow::testing::{SECOND_NS, World};
use evertide_proto::enums::WorkflowTaskFailedCause as Cause;
use evertide_proto::workflowservice as ws;

fn fail(world: &mut World, task: &StartedTask, cause: Cause) {
    let token = crate::token::TaskToken::from_bytes(&task.response.task_token).expect("a token of ours");
    let request = ws::RespondWorkflowTaskFailedRequest {
        task_token: task.response.task_token.clone(),
        cause: cause.into(),
        ..ws::RespondWorkflowTaskFailedRequest::default()
    };
    world.step(Request::FailWorkflowTask(Box::new(request), token)).expect("the task is the worker's");
}

fn problems(world: &World) -> Vec<String> {
    let Some(value) = world.exec.state.search_attribute("TemporalReportedProblems") else {
        return Vec::new();
    };
    match payload::decode(value, AttributeType::KeywordList) {
        Ok(Some(SearchValue::KeywordList(values))) => values,
        other => panic!("a list of keywords: {other:?}"),
    }
}

#[test]
fn a_waiting_retry_behind_newer_events_is_not_shown() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    fail(&mut w, &task, Cause::NonDeterministicError);
    let shown: Vec<i64> = w.exec.pending_events().iter().map(|e| e.event_id).collect();
    assert_eq!(shown, [5], "the retry follows the history");
    w.signal("s").expect("taken");
    assert!(w.exec.pending_events().is_empty(), "event 5 is the signal");
}

#[test]
fn reported_problems_name_the_failure_that_was_recorded_first() {
    let mut w = World::new();
    let task = w.poll().expect("a task");
    fail(&mut w, &task, Cause::NonDeterministicError);
    for _ in 0..4 {
        assert!(problems(&w).is_empty(), "not yet");
        w.poll().expect("a retry");
        w.advance(600 * SECOND_NS);
    }
    assert_eq!(
        problems(&w),
        ["category=WorkflowTaskFailed", "cause=WorkflowTaskFailedCauseNonDeterministicError"],
        "the retries only timed out"
    );
}
