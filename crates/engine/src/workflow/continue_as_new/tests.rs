//! Examples of the next runs of a chain.

use crate::workflow::state::Execution;
use crate::workflow::testing::{SECOND_NS, World, command, json, start_request};
use evertide_proto::command::{
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
};
use evertide_proto::common::link::{Variant, WorkflowEvent};
use evertide_proto::common::{Link, Memo, Payload, RetryPolicy};
use evertide_proto::failure::Failure;
use evertide_proto::sdk::UserMetadata;

fn backoff_ns(run: &Execution) -> i64 {
    crate::env::duration_ns(run.state.started.first_workflow_task_backoff.as_ref())
}

#[test]
fn a_loop_of_short_runs_takes_a_second_for_each() {
    let mut w = World::new();
    for _ in 0..3 {
        let task = w.poll().expect("a task");
        let again = command(ContinueAsNewWorkflowExecutionCommandAttributes::default());
        w.complete(&task, vec![again]).expect("a good answer");
        let next = w.next_run.clone().expect("it continues");
        assert_eq!(backoff_ns(&next), SECOND_NS, "from when the run could do its first work, not from its start");
        w = w.into_next_run();
        w.advance(SECOND_NS);
    }
}

#[test]
fn a_retry_carries_the_links_of_the_first_start_but_not_its_metadata() {
    let link = Link {
        variant: Some(Variant::WorkflowEvent(WorkflowEvent {
            namespace: "default".to_owned(),
            workflow_id: "caller".to_owned(),
            run_id: "r".to_owned(),
            reference: None,
        })),
    };
    let mut request = start_request();
    request.links = vec![link.clone()];
    request.user_metadata = Some(UserMetadata { summary: json("1").payloads.pop(), details: None });
    request.retry_policy = Some(RetryPolicy::default());
    let mut w = World::start(request);
    let task = w.poll().expect("a task");
    let failed = FailWorkflowExecutionCommandAttributes { failure: Some(Failure::default()) };
    w.complete(&task, vec![command(failed)]).expect("a good answer");
    let w = w.into_next_run();
    assert_eq!((&w.events[0].links, &w.events[0].user_metadata), (&vec![link], &None));
}

#[test]
fn values_that_are_all_null_leave_no_empty_message_behind() {
    let mut request = start_request();
    let null = Payload { data: "null".into(), ..Payload::default() };
    request.memo = Some(Memo { fields: [("m".to_owned(), null)].into() });
    let w = World::start(request);
    assert_eq!(w.exec.state.started.memo, None);
}
