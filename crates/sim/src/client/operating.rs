//! What operators do to runs: reset, remove, hold, let go on.

use evertide_engine::address::Address;
use evertide_engine::reply::Reply;
use evertide_engine::workflow::Request;
use evertide_engine::workflow::activity::Operation;
use evertide_proto::activity::ActivityOptions;
use evertide_proto::enums::{EventType, WorkflowExecutionStatus};
use evertide_proto::prost_types::FieldMask;
use evertide_proto::workflowservice as ws;
use evertide_server::history::HistoryRead;
use evertide_server::shard::Answer;

use crate::client::Asking;
use crate::ledger::Reset;
use crate::program::{self, ACTIVITY_TYPE};

impl Asking {
    /// Resets the current run to one of its workflow tasks.
    pub(super) async fn reset(&self) {
        let node = self.world.node();
        let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
        let Some(page) = self.wait(node.history(&self.target, whole)).await else { return };
        let completed = |e: &&evertide_proto::history::HistoryEvent| e.event_type() == EventType::WorkflowTaskCompleted;
        let points: Vec<i64> = page.events.iter().filter(completed).map(|e| e.event_id).collect();
        let Ok(place) = usize::try_from(self.world.below(points.len() as u64)) else { return };
        let Some(event_id) = points.get(place).copied() else { return };
        let base = Address { run_id: page.run_id, ..self.target.clone() };
        let request = ws::ResetWorkflowExecutionRequest {
            namespace: self.world.namespace_of(&self.target),
            workflow_execution: Some(evertide_proto::common::WorkflowExecution {
                workflow_id: base.id.clone(),
                run_id: base.run_id.clone(),
            }),
            workflow_task_finish_event_id: event_id,
            request_id: self.unique.clone(),
            ..ws::ResetWorkflowExecutionRequest::default()
        };
        let node = self.world.node();
        let answer = self.wait(node.reset(base.clone(), request)).await;
        let Some(Answer { reply: Reply::Reset { run_id }, .. }) = answer else { return };
        let new = Address { run_id, ..base.clone() };
        self.world.ledger().touch(&new, self.sent_ns);
        self.world.ledger().resets.push(Reset { base, new, event_id });
        self.done("reset");
    }

    /// Removes the current run.
    pub(super) async fn delete(&self) {
        let Some((run, _)) = self.describe().await else { return };
        self.world.ledger().asked_to_delete.insert(run.clone());
        let node = self.world.node();
        if self.wait(node.delete_run(run.clone())).await.is_some() {
            self.world.ledger().deleted.insert(run);
            self.done("delete");
        }
    }

    /// Pauses the current run, or lets it go on.
    pub(super) async fn pause_workflow(&self) {
        let Some((_, description)) = self.describe().await else { return };
        let status = description.workflow_execution_info.unwrap_or_default().status();
        if status != WorkflowExecutionStatus::Paused {
            let request = ws::PauseWorkflowExecutionRequest { request_id: self.unique.clone(), ..Default::default() };
            self.ask_run("pause", || Request::Pause(Box::new(request.clone()))).await;
        } else {
            let request = ws::UnpauseWorkflowExecutionRequest { request_id: self.unique.clone(), ..Default::default() };
            self.ask_run("unpause", || Request::Unpause(Box::new(request.clone()))).await;
        }
    }

    /// Holds the activities of the current run, lets them go on, begins them again, or changes what was asked of them.
    pub(super) async fn operate_activities(&self) {
        let named = ACTIVITY_TYPE.to_owned();
        let operation = match self.world.below(5) {
            0..=1 => Operation::Pause(Box::new(ws::PauseActivityRequest {
                activity: Some(ws::pause_activity_request::Activity::Type(named)),
                request_id: self.unique.clone(),
                ..ws::PauseActivityRequest::default()
            })),
            2 => Operation::Unpause(Box::new(ws::UnpauseActivityRequest {
                activity: Some(ws::unpause_activity_request::Activity::Type(named)),
                reset_attempts: self.world.below(2) == 0,
                ..ws::UnpauseActivityRequest::default()
            })),
            3 => Operation::Reset(Box::new(ws::ResetActivityRequest {
                activity: Some(ws::reset_activity_request::Activity::Type(named)),
                keep_paused: self.world.below(2) == 0,
                ..ws::ResetActivityRequest::default()
            })),
            _ => Operation::UpdateOptions(Box::new(ws::UpdateActivityOptionsRequest {
                activity: Some(ws::update_activity_options_request::Activity::Type(named)),
                activity_options: Some(ActivityOptions {
                    task_queue: program::task_queue_of(&self.unique),
                    ..ActivityOptions::default()
                }),
                update_mask: Some(FieldMask { paths: vec!["task_queue.name".to_owned()] }),
                ..ws::UpdateActivityOptionsRequest::default()
            })),
        };
        self.ask_run("operate activities", || Request::OperateActivity(operation.clone())).await;
    }
}
