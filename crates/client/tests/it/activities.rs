//! Activities that are reported on from outside.

use std::time::Duration;

use evertide_client::proto::failure::failure::FailureInfo;
use evertide_client::proto::workflowservice::*;
use evertide_client::{AsyncActivityHandle, ErrorKind, Failure};

use super::fake::Fake;
use super::results::payloads;

async fn by_token(fake: &Fake) -> AsyncActivityHandle {
    fake.client().await.get_async_activity_handle_for_token(&b"token"[..])
}

async fn by_id(fake: &Fake) -> AsyncActivityHandle {
    fake.client().await.get_async_activity_handle("w", "a").with_run_id("r")
}

fn failure() -> Failure {
    let failure = Failure::application("broken").with_type("Broken").non_retryable();
    failure.with_next_retry_delay(Duration::from_secs(2)).with_detail(&5).unwrap()
}

#[tokio::test]
async fn by_token_every_report_carries_the_token() {
    let fake = Fake::new();
    fake.answer::<RecordActivityTaskHeartbeatRequest>(Default::default());
    fake.answer::<RespondActivityTaskCompletedRequest>(Default::default());
    fake.answer::<RespondActivityTaskFailedRequest>(Default::default());
    fake.answer::<RespondActivityTaskCanceledRequest>(Default::default());
    let activity = by_token(&fake).await;
    activity.heartbeat().detail(&1).detail(&2).await.unwrap();
    activity.complete("result").await.unwrap();
    activity.fail(failure()).last_heartbeat_detail(&3).await.unwrap();
    activity.report_cancellation().detail(&4).await.unwrap();

    let heartbeat: RecordActivityTaskHeartbeatRequest = fake.request();
    assert_eq!((heartbeat.task_token.as_ref(), heartbeat.identity.as_str()), (&b"token"[..], "tester"));
    assert_eq!((heartbeat.namespace.as_str(), heartbeat.details.unwrap().payloads.len()), ("tides", 2));
    let completed: RespondActivityTaskCompletedRequest = fake.request();
    assert_eq!((completed.task_token.as_ref(), completed.result), (&b"token"[..], payloads(&"result")));
    let failed: RespondActivityTaskFailedRequest = fake.request();
    assert_eq!((failed.task_token.as_ref(), failed.last_heartbeat_details), (&b"token"[..], payloads(&3)));
    let failure = failed.failure.unwrap();
    assert_eq!(failure.message, "broken");
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else { panic!() };
    assert_eq!((info.r#type.as_str(), info.non_retryable, info.details), ("Broken", true, payloads(&5)));
    assert_eq!(info.next_retry_delay.unwrap().seconds, 2);
    let cancelled: RespondActivityTaskCanceledRequest = fake.request();
    assert_eq!((cancelled.task_token.as_ref(), cancelled.details), (&b"token"[..], payloads(&4)));
}

#[tokio::test]
async fn by_id_every_report_names_the_activity() {
    let fake = Fake::new();
    fake.answer::<RecordActivityTaskHeartbeatByIdRequest>(Default::default());
    fake.answer::<RespondActivityTaskCompletedByIdRequest>(Default::default());
    fake.answer::<RespondActivityTaskFailedByIdRequest>(Default::default());
    fake.answer::<RespondActivityTaskCanceledByIdRequest>(Default::default());
    let activity = by_id(&fake).await;
    activity.heartbeat().await.unwrap();
    activity.complete(&()).await.unwrap();
    activity.fail(failure()).await.unwrap();
    activity.report_cancellation().await.unwrap();

    let expected = ("w", "r", "a");
    let heartbeat: RecordActivityTaskHeartbeatByIdRequest = fake.request();
    assert_eq!((&*heartbeat.workflow_id, &*heartbeat.run_id, &*heartbeat.activity_id), expected);
    assert_eq!(heartbeat.details, None);
    let completed: RespondActivityTaskCompletedByIdRequest = fake.request();
    assert_eq!((&*completed.workflow_id, &*completed.run_id, &*completed.activity_id), expected);
    assert_eq!(completed.result, payloads(&()), "a result of nothing is a payload all the same");
    let failed: RespondActivityTaskFailedByIdRequest = fake.request();
    assert_eq!((&*failed.workflow_id, &*failed.run_id, &*failed.activity_id), expected);
    let cancelled: RespondActivityTaskCanceledByIdRequest = fake.request();
    assert_eq!((&*cancelled.workflow_id, &*cancelled.run_id, &*cancelled.activity_id), expected);
}

#[tokio::test]
async fn a_heartbeat_tells_when_to_stop() {
    let fake = Fake::new();
    fake.answer::<RecordActivityTaskHeartbeatRequest>(RecordActivityTaskHeartbeatResponse {
        cancel_requested: true,
        ..Default::default()
    });
    fake.answer::<RecordActivityTaskHeartbeatByIdRequest>(RecordActivityTaskHeartbeatByIdResponse {
        activity_paused: true,
        ..Default::default()
    });
    let error = by_token(&fake).await.heartbeat().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ActivityCancelled(why) if why.cancel_requested && !why.paused));
    let error = by_id(&fake).await.heartbeat().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ActivityCancelled(why) if why.paused && !why.cancel_requested));
    assert!(error.to_string().contains("paused"), "{error}");
}

#[tokio::test]
async fn an_activity_without_a_name_is_refused() {
    let fake = Fake::new();
    let client = fake.client().await;
    assert!(client.get_async_activity_handle_for_token(&b""[..]).complete(&1).await.is_err());
    assert!(client.get_async_activity_handle("w", "").heartbeat().await.is_err());
    assert!(fake.methods().is_empty());
}

#[test]
fn an_error_becomes_a_failure_with_its_sources() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let failure = Failure::from_error(&Outer(std::io::Error::other("inner")));
    assert_eq!(failure.chain().map(Failure::message).collect::<Vec<_>>(), ["outer", "inner"]);
    assert_eq!(failure.as_proto().cause.as_ref().unwrap().message, "inner");
    assert_eq!(Failure::from_error(&failure), failure);
}
