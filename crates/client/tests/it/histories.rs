//! Histories: pages, streams, places to resume from, JSON.

use bytes::Bytes;
use evertide_client::proto::enums::EventType;
use evertide_client::proto::history::history_event::Attributes;
use evertide_client::proto::history::{self as history, HistoryEvent};
use evertide_client::proto::prost_types::{Duration, Timestamp};
use evertide_client::proto::workflowservice::*;
use evertide_client::{EventFilter, ResumeToken, Status, WorkflowHistory};

use super::fake::Fake;
use super::results::payloads;

type Get = GetWorkflowExecutionHistoryRequest;

fn page(ids: &[i64], next: &'static str) -> GetWorkflowExecutionHistoryResponse {
    let events = ids.iter().map(|id| HistoryEvent { event_id: *id, ..Default::default() }).collect();
    GetWorkflowExecutionHistoryResponse {
        history: Some(history::History { events }),
        next_page_token: Bytes::from_static(next.as_bytes()),
        ..Default::default()
    }
}

fn tokens(fake: &Fake) -> Vec<String> {
    let requests = fake.requests::<Get>().into_iter();
    requests.map(|request| String::from_utf8(request.next_page_token.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn a_history_is_read_to_its_last_page() {
    let fake = Fake::new();
    fake.answer::<Get>(page(&[1, 2], "a")).answer::<Get>(page(&[], "b")).answer::<Get>(page(&[3], ""));
    let history = fake.handle().await.fetch_history().await.unwrap();
    assert_eq!(history.workflow_id, "w");
    assert_eq!(history.events.iter().map(|event| event.event_id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(tokens(&fake), ["", "a", "b"], "a page may be empty and not the last");
    let requests: Vec<Get> = fake.requests();
    let first = &requests[0];
    assert!(!first.wait_new_event && !first.skip_archival);
    assert_eq!((first.maximum_page_size, first.history_event_filter_type), (0, 1));
}

#[tokio::test]
async fn the_options_reach_the_request() {
    let fake = Fake::new();
    fake.answer::<Get>(page(&[1], ""));
    let events = fake.handle().await.with_run_id("r").fetch_history_events();
    let mut events = events
        .page_size(7)
        .next_page_token("from here")
        .wait_new_event(true)
        .event_filter_type(EventFilter::CloseEvent)
        .skip_archival(true);
    assert!(fake.methods().is_empty(), "nothing is sent before the first event is asked for");
    assert_eq!(events.next().await.unwrap().unwrap().event_id, 1);
    assert!(events.next().await.is_none());
    let request: Get = fake.request();
    assert_eq!(request.execution.unwrap().run_id, "r");
    assert_eq!((request.maximum_page_size, request.next_page_token.as_ref()), (7, &b"from here"[..]));
    assert!(request.wait_new_event && request.skip_archival);
    assert_eq!(request.history_event_filter_type, 2);
}

#[tokio::test]
async fn reading_can_go_on_behind_any_event() {
    for stop_after in 0..=4 {
        let fake = Fake::new();
        fake.answer::<Get>(page(&[1, 2], "a")).answer::<Get>(page(&[3, 4], ""));
        let handle = fake.handle().await;
        let mut events = handle.fetch_history_events();
        let mut seen = Vec::new();
        for _ in 0..stop_after {
            let event = events.next().await.unwrap().unwrap();
            assert_eq!(event.resume_token, events.resume_token());
            seen.push(event.event_id);
        }
        let stored = events.resume_token().to_bytes();
        drop(events);

        let fake = Fake::new();
        if stop_after < 2 {
            fake.answer::<Get>(page(&[1, 2], "a"));
        }
        fake.answer::<Get>(page(&[3, 4], ""));
        let handle = fake.handle().await;
        let mut events = handle.fetch_history_events().resume(ResumeToken::from_bytes(&stored).unwrap());
        while let Some(event) = events.next().await {
            seen.push(event.unwrap().event_id);
        }
        assert_eq!(seen, [1, 2, 3, 4], "stopped after {stop_after}");
        let first = if stop_after < 2 { "" } else { "a" };
        assert_eq!(tokens(&fake)[0], first, "stopped after {stop_after}");
    }
}

#[tokio::test]
async fn pages_tell_their_tokens() {
    let fake = Fake::new();
    fake.answer::<Get>(page(&[1, 2], "a")).answer::<Get>(page(&[3], ""));
    let mut pages = fake.handle().await.fetch_history_events().pages();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!((first.events.len(), first.next_page_token.as_ref()), (2, &b"a"[..]));
    let second = pages.next().await.unwrap().unwrap();
    assert_eq!((second.events.len(), second.next_page_token.as_ref()), (1, &b""[..]));
    assert!(pages.next().await.is_none());
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn after_an_error_the_same_page_is_asked_for_again() {
    let fake = Fake::new();
    fake.answer::<Get>(page(&[1], "a")).refuse::<Get>(Status::permission_denied("not now"));
    fake.answer::<Get>(page(&[2], ""));
    let mut events = fake.handle().await.fetch_history_events();
    assert_eq!(events.next().await.unwrap().unwrap().event_id, 1);
    events.next().await.unwrap().unwrap_err();
    assert_eq!(events.next().await.unwrap().unwrap().event_id, 2);
    assert_eq!(tokens(&fake), ["", "a", "a"]);
}

fn recorded() -> WorkflowHistory {
    let started = history::WorkflowExecutionStartedEventAttributes {
        original_execution_run_id: "run-1".into(),
        workflow_run_timeout: Some(Duration { seconds: 90, nanos: 500_000_000 }),
        input: payloads(&"in"),
        attempt: 1,
        ..Default::default()
    };
    let event = HistoryEvent {
        event_id: 1,
        event_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 120_000_000 }),
        event_type: EventType::WorkflowExecutionStarted.into(),
        task_id: 1_048_576,
        attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(Box::new(started))),
        ..Default::default()
    };
    let failed = history::WorkflowTaskFailedEventAttributes {
        scheduled_event_id: 2,
        cause: evertide_client::proto::enums::WorkflowTaskFailedCause::NonDeterministicError.into(),
        ..Default::default()
    };
    let second = HistoryEvent {
        event_id: 2,
        event_type: EventType::WorkflowTaskFailed.into(),
        attributes: Some(Attributes::WorkflowTaskFailedEventAttributes(Box::new(failed))),
        ..Default::default()
    };
    WorkflowHistory::new("w", vec![event, second])
}

#[test]
fn a_history_is_written_as_canonical_json() {
    let value: serde_json::Value = serde_json::from_str(&recorded().to_json().unwrap()).unwrap();
    let expected = serde_json::json!({"events": [
        {
            "eventId": "1",
            "eventTime": "2023-11-14T22:13:20.120Z",
            "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "taskId": "1048576",
            "workflowExecutionStartedEventAttributes": {
                "originalExecutionRunId": "run-1",
                "workflowRunTimeout": "90.500s",
                "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImluIg=="}]},
                "attempt": 1,
            },
        },
        {
            "eventId": "2",
            "eventType": "EVENT_TYPE_WORKFLOW_TASK_FAILED",
            "workflowTaskFailedEventAttributes": {
                "scheduledEventId": "2",
                "cause": "WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR",
            },
        },
    ]});
    assert_eq!(value, expected);
    assert!(recorded().to_json_pretty().unwrap().starts_with("{\n  \"events\": [\n"));
}

#[test]
fn a_history_is_read_in_either_spelling() {
    let history = recorded();
    assert_eq!(history.run_id(), Some("run-1"));
    let canonical = history.to_json().unwrap();
    assert_eq!(WorkflowHistory::from_json("w", &canonical).unwrap(), history);
    let short = canonical
        .replace("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", "WorkflowExecutionStarted")
        .replace("EVENT_TYPE_WORKFLOW_TASK_FAILED", "WorkflowTaskFailed")
        .replace("WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR", "NonDeterministicError")
        .replace("\"attempt\":1", "\"attempt\":1,\"fieldOfTheFuture\":{}");
    assert_ne!(short, canonical);
    assert_eq!(WorkflowHistory::from_json("w", &short).unwrap(), history);
}

#[test]
fn json_that_is_no_history_is_refused() {
    for text in ["", "[]", "{}", "{\"events\": 3}", "{\"events\": [{\"eventId\": true}]}"] {
        let error = WorkflowHistory::from_json("w", text).unwrap_err();
        assert!(matches!(error.kind(), evertide_client::ErrorKind::Conversion(_)), "{text}: {error}");
    }
    assert_eq!(WorkflowHistory::from_json("w", "{\"events\": []}").unwrap().run_id(), None);
}
