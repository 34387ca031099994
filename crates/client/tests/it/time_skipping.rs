//! The handle of a time-skipping server.

use std::time::Duration;

use evertide_client::proto::prost_types::Timestamp;
use evertide_client::proto::testservice::{
    GetCurrentTimeResponse, LockTimeSkippingRequest, SleepRequest, UnlockTimeSkippingRequest,
};
use evertide_client::proto::workflowservice::*;
use evertide_client::{Client, Status, WorkflowHandle};

use super::fake::Fake;

async fn client(fake: &Fake) -> Client {
    fake.answer::<UnlockTimeSkippingRequest>(Default::default());
    fake.answer::<LockTimeSkippingRequest>(Default::default());
    fake.answer::<StartWorkflowExecutionRequest>(Default::default());
    fake.connect().time_skipping().await.unwrap()
}

async fn started(client: &Client) -> WorkflowHandle {
    client.start_workflow("W").id("w").task_queue("q").await.unwrap()
}

#[tokio::test]
async fn time_runs_while_a_result_is_waited_for() {
    let fake = Fake::new();
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
    let client = client(&fake).await;
    assert_eq!(started(&client).await.result::<i32>().await.unwrap(), 1);
    let expected = ["StartWorkflowExecution", "UnlockTimeSkipping", "GetWorkflowExecutionHistory", "LockTimeSkipping"];
    assert_eq!(fake.methods(), expected);
}

#[tokio::test]
async fn time_is_locked_again_after_an_error() {
    let fake = Fake::new();
    fake.refuse::<GetWorkflowExecutionHistoryRequest>(Status::not_found("gone"));
    let client = client(&fake).await;
    let error = started(&client).await.result::<()>().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(fake.last().method, "LockTimeSkipping");
}

#[tokio::test(start_paused = true)]
async fn time_is_locked_again_when_the_wait_is_given_up() {
    let fake = Fake::new();
    fake.ignore::<GetWorkflowExecutionHistoryRequest>();
    let client = client(&fake).await;
    let result = started(&client).await.result::<()>().timeout(Duration::from_secs(1)).await;
    assert!(result.is_err());
    while fake.last().method != "LockTimeSkipping" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_handles_of_a_start_unlock_time_and_only_if_they_may() {
    let fake = Fake::new();
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
    let client = client(&fake).await;
    client.get_workflow_handle("w").result::<i32>().await.unwrap();
    let handle = started(&client).await;
    let guard = client.disable_auto_time_skipping();
    handle.result::<i32>().await.unwrap();
    assert!(fake.requests::<UnlockTimeSkippingRequest>().is_empty());
    drop(guard);
    handle.result::<i32>().await.unwrap();
    assert_eq!(fake.requests::<UnlockTimeSkippingRequest>().len(), 1);
}

#[tokio::test]
async fn a_failed_lock_is_told_only_if_nothing_else_failed() {
    let fake = Fake::new();
    fake.answer::<GetWorkflowExecutionHistoryRequest>(super::results::completed("1"));
    fake.answer::<UnlockTimeSkippingRequest>(Default::default());
    fake.refuse::<LockTimeSkippingRequest>(Status::failed_precondition("locked"));
    fake.answer::<StartWorkflowExecutionRequest>(Default::default());
    let client = fake.connect().time_skipping().await.unwrap();
    let error = started(&client).await.result::<i32>().await.unwrap_err();
    assert_eq!(error.grpc_status().unwrap().message(), "locked");
}

#[tokio::test]
async fn the_clock_of_the_server_can_be_read_and_moved() {
    let fake = Fake::new();
    let time = Some(Timestamp { seconds: 5, nanos: 0 });
    fake.answer::<()>(GetCurrentTimeResponse { time });
    fake.answer::<SleepRequest>(Default::default());
    let client = fake.client().await;
    let now = client.server_time().await.unwrap();
    assert_eq!(now, std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(5));
    client.skip_time(Duration::from_secs(60)).await.unwrap();
    let sleep: SleepRequest = fake.request();
    assert_eq!(sleep.duration.unwrap().seconds, 60);
    assert_eq!(fake.last().method, "UnlockTimeSkippingWithSleep");
}
