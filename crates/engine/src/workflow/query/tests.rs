//! Examples of queries that ride on workflow tasks.

use crate::reply::Reply;
use crate::workflow::decide::Request;
use crate::workflow::query::{Query, QueryPlan};
use crate::workflow::testing::World;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice as ws;

fn ask(world: &mut World) -> String {
    let request = ws::QueryWorkflowRequest {
        query: Some(WorkflowQuery { query_type: "state".to_owned(), ..WorkflowQuery::default() }),
        ..ws::QueryWorkflowRequest::default()
    };
    match world.step(Request::Query(Box::new(Query { request, deadline_ns: 0 }))).expect("accepted") {
        Reply::Query(QueryPlan::Buffered { id }) => id,
        other => panic!("it waits for the task: {other:?}"),
    }
}

#[test]
fn a_query_without_an_answer_is_sent_again_with_the_returned_task() {
    let mut w = World::new();
    let id = ask(&mut w);
    let task = w.poll().expect("a task");
    assert!(task.response.queries.contains_key(&id));
    let heartbeat = ws::RespondWorkflowTaskCompletedRequest {
        task_token: task.response.task_token,
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        ..ws::RespondWorkflowTaskCompletedRequest::default()
    };
    let Reply::TaskCompleted { new_task: Some(next), .. } = w.complete_with(heartbeat).expect("a good answer") else {
        panic!("the next task is in the answer");
    };
    assert!(next.response.queries.contains_key(&id), "the query comes with the next task");
    assert!(w.exec.volatile.queries.contains_key(&id), "its caller goes on waiting");
}
