//! Reading histories: in pages, to the end or from it, waiting for what is to come, and as part of a task.
//!
//! A page token is bound to its run and says where to go on. A reader that waits gets a token with every page of an
//! open run; the next call waits for events that were not written yet, and is answered empty before its deadline.

use crate::frontend::{Call, Frontend, Outcome, validate};
use crate::history::{HistoryPage, HistoryRead, HistoryWait, TaskHistory, WorkflowTaskPage};
use bytes::Bytes;
use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::env::is_uuid;
use evertide_proto::common::DataBlob;
use evertide_proto::enums::{EncodingType, HistoryEventFilterType, TimeoutType};
use evertide_proto::failure::failure::FailureInfo;
use evertide_proto::failure::{Failure, TimeoutFailureInfo};
use evertide_proto::history::history_event::Attributes;
use evertide_proto::history::{History, HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes};
use evertide_proto::workflowservice::{
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse, GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse, PollWorkflowTaskQueueResponse,
};
use prost::Message;
use std::time::Duration;

/// Where the next page begins.
#[derive(Clone, PartialEq, Message)]
struct PageToken {
    /// The run that is read.
    #[prost(string, tag = "1")]
    run_id: String,
    /// First event of the next page; in reverse order the last one.
    #[prost(int64, tag = "2")]
    from_event_id: i64,
    /// The page after which there is none ends before this event, 0 for all there are: a task's history ends with it.
    #[prost(int64, tag = "3")]
    until_event_id: i64,
    /// The pages go from the end to the beginning.
    #[prost(bool, tag = "4")]
    reverse: bool,
}

impl PageToken {
    fn to_bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// Reads the token of a request, which may name the run as well; none if the request has none.
    fn read(bytes: &[u8], run_id: Option<&str>, reverse: bool) -> Result<Option<Self>, Rejection> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let token = Self::decode(bytes)
            .ok()
            .filter(|t| is_uuid(&t.run_id) && t.from_event_id > 0 && t.reverse == reverse)
            .ok_or_else(|| Rejection::invalid("Invalid NextPageToken."))?;
        if run_id.is_some_and(|r| r != token.run_id) {
            return Err(Rejection::invalid("RunId in the request does not match the NextPageToken."));
        }
        Ok(Some(token))
    }
}

impl Frontend {
    /// GetWorkflowExecutionHistory.
    pub(super) async fn get_workflow_execution_history(
        &self,
        call: &Call,
        request: GetWorkflowExecutionHistoryRequest,
    ) -> Outcome<GetWorkflowExecutionHistoryResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let (workflow_id, run_id) = validate::execution(request.execution.as_ref())?;
        let token = PageToken::read(&request.next_page_token, run_id.as_deref(), false)?;
        let run_id = token.as_ref().map(|t| t.run_id.clone()).or(run_id);
        let run = self.run_ref(&namespace, (workflow_id, run_id));
        let (events, token) = if request.history_event_filter_type() == HistoryEventFilterType::CloseEvent {
            self.close_event(call, run, request.wait_new_event).await?
        } else {
            self.next_events(call, run, token, &request).await?
        };
        let next_page_token = token.map_or_else(Bytes::new, |t| t.to_bytes());
        let history = History { events };
        if self.limits().raw_history {
            return Ok(GetWorkflowExecutionHistoryResponse {
                history: Some(History::default()),
                raw_history: raw(&history),
                next_page_token,
                archived: false,
            });
        }
        Ok(GetWorkflowExecutionHistoryResponse {
            history: Some(history),
            next_page_token,
            ..GetWorkflowExecutionHistoryResponse::default()
        })
    }

    /// The close event alone, once it is there.
    async fn close_event(
        &self,
        call: &Call,
        mut run: Address,
        wait: bool,
    ) -> Outcome<(Vec<HistoryEvent>, Option<PageToken>)> {
        let mut page = self.node.history(&run, HistoryRead::last_event()).await?;
        if page.running && wait {
            run.run_id.clone_from(&page.run_id);
            self.node.wait_for_history(&run, HistoryWait::Close, call.wait_until(self.long_poll())).await?;
            page = self.node.history(&run, HistoryRead::last_event()).await?;
        }
        if page.running {
            let again = PageToken { run_id: page.run_id, from_event_id: 1, ..PageToken::default() };
            return Ok((Vec::new(), wait.then_some(again)));
        }
        let mut events = page.events;
        if !call.follows_next_run {
            events.iter_mut().for_each(stand_in_for_next_run);
        }
        Ok((events, None))
    }

    /// One page of all events.
    async fn next_events(
        &self,
        call: &Call,
        mut run: Address,
        token: Option<PageToken>,
        request: &GetWorkflowExecutionHistoryRequest,
    ) -> Outcome<(Vec<HistoryEvent>, Option<PageToken>)> {
        let from_event_id = token.as_ref().map_or(1, |t| t.from_event_id);
        let until_event_id = token.as_ref().map_or(0, |t| t.until_event_id);
        let max_events = self.page_size(request.maximum_page_size);
        let read = HistoryRead::Forward { from_event_id, max_events };
        let mut page = self.node.history(&run, read.clone()).await?;
        run.run_id.clone_from(&page.run_id);
        if request.wait_new_event && token.is_some() && page.running && from_event_id >= page.next_event_id {
            let until = call.wait_until(self.long_poll());
            self.node.wait_for_history(&run, HistoryWait::After { event_id: from_event_id - 1 }, until).await?;
            page = self.node.history(&run, read).await?;
        }
        if until_event_id != 0 {
            return Ok(end_of_task(page, from_event_id, until_event_id));
        }
        let next = page.events.last().map_or(from_event_id, |e| e.event_id + 1);
        let more = PageToken { run_id: page.run_id, from_event_id: next, ..PageToken::default() };
        let at_end = next >= page.next_event_id;
        let mut events = page.events;
        // They follow written events only: to a reader that has those already they come with the task's own events.
        if at_end && page.running && !events.is_empty() && !call.is_cli_or_ui() {
            events.extend(page.virtual_events);
        }
        let go_on = !at_end || (page.running && request.wait_new_event);
        Ok((events, go_on.then_some(more)))
    }

    /// GetWorkflowExecutionHistoryReverse.
    pub(super) async fn get_workflow_execution_history_reverse(
        &self,
        _call: &Call,
        request: GetWorkflowExecutionHistoryReverseRequest,
    ) -> Outcome<GetWorkflowExecutionHistoryReverseResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let (workflow_id, run_id) = validate::execution(request.execution.as_ref())?;
        let token = PageToken::read(&request.next_page_token, run_id.as_deref(), true)?;
        let run_id = token.as_ref().map(|t| t.run_id.clone()).or(run_id);
        let run = self.run_ref(&namespace, (workflow_id, run_id));
        let from_event_id = token.map_or(i64::MAX, |t| t.from_event_id);
        let max_events = self.page_size(request.maximum_page_size);
        let page = self.node.history(&run, HistoryRead::Backward { from_event_id, max_events }).await?;
        let first = page.events.last().map_or(1, |e| e.event_id);
        let more = PageToken { run_id: page.run_id, from_event_id: first - 1, reverse: true, until_event_id: 0 };
        Ok(GetWorkflowExecutionHistoryReverseResponse {
            history: Some(History { events: page.events }),
            next_page_token: if first > 1 { more.to_bytes() } else { Bytes::new() },
        })
    }

    /// The answer to a poll that has got a workflow task, with a token if there is more of its history than one page.
    pub(super) fn task_response(&self, task: WorkflowTaskPage) -> PollWorkflowTaskQueueResponse {
        let WorkflowTaskPage { mut response, next_event_id, until_event_id, run } = task;
        if next_event_id != 0 {
            // A task that is not written yet has its own events after the written ones.
            let until_event_id = until_event_id.max(response.started_event_id + 1);
            let more =
                PageToken { run_id: run.run_id.clone(), from_event_id: next_event_id, until_event_id, reverse: false };
            response.next_page_token = more.to_bytes();
        }
        response
    }

    /// As [`Self::task_response`], for a task that comes with another answer.
    pub(super) async fn task_of(&self, task: Option<TaskHistory>) -> Outcome<Option<PollWorkflowTaskQueueResponse>> {
        let Some(task) = task else { return Ok(None) };
        let page = self.node.task_page(task).await?;
        Ok(Some(self.task_response(page)))
    }

    fn page_size(&self, asked: i32) -> usize {
        let most = self.limits().history_page_size;
        usize::try_from(asked).ok().filter(|n| (1..=most).contains(n)).unwrap_or(most)
    }

    /// Longest wait of a call for history or an update.
    pub(super) fn long_poll(&self) -> Duration {
        Duration::from_nanos(self.limits().long_poll_ns.unsigned_abs())
    }
}

/// A page of a task's history, which ends before `until_event_id`: the last events of it may not be written yet.
fn end_of_task(page: HistoryPage, from_event_id: i64, until_event_id: i64) -> (Vec<HistoryEvent>, Option<PageToken>) {
    let HistoryPage { run_id, mut events, virtual_events, next_event_id, .. } = page;
    events.retain(|e| e.event_id < until_event_id);
    let next = events.last().map_or(from_event_id, |e| e.event_id + 1);
    if next < until_event_id.min(next_event_id) {
        let more = PageToken { run_id, from_event_id: next, until_event_id, reverse: false };
        return (events, Some(more));
    }
    events.extend(virtual_events.into_iter().filter(|e| (next..until_event_id).contains(&e.event_id)));
    (events, None)
}

/// Events as clients get them that decode them themselves.
fn raw(history: &History) -> Vec<DataBlob> {
    if history.events.is_empty() {
        return Vec::new();
    }
    vec![DataBlob { encoding_type: EncodingType::Proto3.into(), data: history.encode_to_vec().into() }]
}

/// Older clients look for the next run of a chain only in a ContinuedAsNew event, so they are shown one.
fn stand_in_for_next_run(event: &mut HistoryEvent) {
    let mut stand_in = WorkflowExecutionContinuedAsNewEventAttributes::default();
    match &event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(a)) => {
            stand_in.new_execution_run_id.clone_from(&a.new_execution_run_id);
            stand_in.last_completion_result.clone_from(&a.result);
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(a)) => {
            stand_in.new_execution_run_id.clone_from(&a.new_execution_run_id);
            stand_in.failure.clone_from(&a.failure);
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(a)) => {
            stand_in.new_execution_run_id.clone_from(&a.new_execution_run_id);
            stand_in.failure = Some(timeout_failure());
        }
        _ => {}
    }
    if stand_in.new_execution_run_id.is_empty() {
        return;
    }
    let attributes = Attributes::from(stand_in);
    event.event_type = attributes.event_type().into();
    event.attributes = Some(attributes);
}

fn timeout_failure() -> Failure {
    let info = TimeoutFailureInfo { timeout_type: TimeoutType::StartToClose.into(), ..TimeoutFailureInfo::default() };
    Failure {
        message: "workflow timeout".to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Failure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_proto::enums::EventType;
    use evertide_proto::history::WorkflowExecutionCompletedEventAttributes;

    const RUN: &str = "01890000-0000-7000-8000-000000000001";

    fn completed(new_execution_run_id: &str) -> HistoryEvent {
        let attributes = Attributes::from(WorkflowExecutionCompletedEventAttributes {
            new_execution_run_id: new_execution_run_id.to_owned(),
            ..WorkflowExecutionCompletedEventAttributes::default()
        });
        HistoryEvent {
            event_type: attributes.event_type().into(),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        }
    }

    #[test]
    fn only_an_end_with_a_next_run_gets_a_stand_in() {
        let mut last = completed("");
        stand_in_for_next_run(&mut last);
        assert_eq!(last, completed(""));
        let mut followed = completed(RUN);
        stand_in_for_next_run(&mut followed);
        assert_eq!(followed.event_type(), EventType::WorkflowExecutionContinuedAsNew);
    }

    #[test]
    fn a_token_is_good_for_its_run_and_direction_only() {
        let token = PageToken { run_id: RUN.to_owned(), from_event_id: 7, ..PageToken::default() };
        let bytes = token.to_bytes();
        assert_eq!(PageToken::read(&bytes, None, false), Ok(Some(token.clone())));
        assert_eq!(PageToken::read(&bytes, Some(RUN), false), Ok(Some(token)));
        assert_eq!(PageToken::read(b"", Some("any"), false), Ok(None));
        let told = |bytes: &[u8], run, reverse| PageToken::read(bytes, run, reverse).unwrap_err().message;
        assert_eq!(told(&bytes, Some("other"), false), "RunId in the request does not match the NextPageToken.");
        assert_eq!(told(&bytes, None, true), "Invalid NextPageToken.");
        assert_eq!(told(b"garbage", None, false), "Invalid NextPageToken.");
    }

    #[test]
    fn the_last_page_of_a_task_ends_with_the_task() {
        let event = |event_id| HistoryEvent { event_id, ..HistoryEvent::default() };
        let page = |ids: &[i64], virtual_ids: &[i64]| HistoryPage {
            run_id: RUN.to_owned(),
            events: ids.iter().copied().map(event).collect(),
            next_event_id: 9,
            running: true,
            virtual_events: virtual_ids.iter().copied().map(event).collect(),
        };
        let ids = |events: &[HistoryEvent]| events.iter().map(|e| e.event_id).collect::<Vec<_>>();
        let (events, more) = end_of_task(page(&[3, 4], &[9, 10]), 3, 11);
        assert_eq!((ids(&events), more.map(|t| t.from_event_id)), (vec![3, 4], Some(5)));
        let (events, more) = end_of_task(page(&[7, 8], &[9, 10]), 7, 11);
        assert_eq!((ids(&events), more), (vec![7, 8, 9, 10], None));
        let (events, more) = end_of_task(page(&[7, 8], &[9, 10]), 7, 8);
        assert_eq!((ids(&events), more), (vec![7], None), "what came after the task is not part of it");
    }
}
