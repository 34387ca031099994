//! What was acknowledged or shown is still there, and what was removed is not.

use evertide_engine::address::Address;
use evertide_proto::enums::EventType;
use evertide_proto::history::HistoryEvent;
use evertide_proto::history::history_event::Attributes as A;
use evertide_server::matching::QueueKind;

use crate::ledger::{Ledger, Reset, Set, Setting};
use crate::world::World;
use crate::world::verdict::Histories;

/// Compares the ledger with all histories.
pub(super) fn check(world: &World, histories: &Histories) {
    let ledger = world.ledger();
    let checking = Checking { world, histories, ledger: &ledger, now_ns: world.now_ns() };
    let faults = [
        checking.runs(),
        checking.events(),
        checking.shown(),
        checking.resets(),
        checking.children(),
        checking.settings(),
    ];
    drop(ledger);
    world.ledger().faults.extend(faults.concat());
}

struct Checking<'a> {
    world: &'a World,
    histories: &'a Histories,
    ledger: &'a Ledger,
    now_ns: i64,
}

impl Checking<'_> {
    fn may_be_gone(&self, run: &Address) -> bool {
        self.ledger.may_be_gone(run, self.now_ns, self.world.retention_ns())
    }

    fn runs(&self) -> Vec<String> {
        let lost = self.ledger.runs.keys().filter(|run| !self.histories.contains_key(run) && !self.may_be_gone(run));
        let deleted = self.ledger.deleted.iter().filter(|run| self.histories.contains_key(run));
        let lost = lost.map(|run| format!("{run:?} was there and is not"));
        lost.chain(deleted.map(|run| format!("{run:?} was deleted and is there"))).collect()
    }

    /// What was acknowledged as an event is in the history of its run.
    fn events(&self) -> Vec<String> {
        type Is = fn(&HistoryEvent, &str) -> bool;
        let acknowledged: [(&str, _, Is); 4] = [
            ("signal", &self.ledger.signals, |event, name| match &event.attributes {
                Some(A::WorkflowExecutionSignaledEventAttributes(a)) => a.signal_name == name,
                _ => false,
            }),
            ("termination", &self.ledger.terminations, |event, reason| match &event.attributes {
                Some(A::WorkflowExecutionTerminatedEventAttributes(a)) => a.reason == reason,
                _ => false,
            }),
            ("acceptance of the update", &self.ledger.accepted_updates, |event, id| match &event.attributes {
                Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(a)) => a.protocol_instance_id == id,
                _ => false,
            }),
            ("success of the update", &self.ledger.completed_updates, |event, id| match &event.attributes {
                Some(A::WorkflowExecutionUpdateCompletedEventAttributes(a)) => {
                    a.meta.as_ref().is_some_and(|m| m.update_id == id)
                }
                _ => false,
            }),
        ];
        let mut faults = Vec::new();
        for (what, all, is_it) in acknowledged {
            for (run, name) in all {
                let is_there = self.histories.get(run).map(|events| events.iter().any(|e| is_it(e, name)));
                if !is_there.unwrap_or_else(|| self.may_be_gone(run)) {
                    faults.push(format!("{run:?}: the {what} {name} was acknowledged and is lost"));
                }
            }
        }
        faults
    }

    fn shown(&self) -> Vec<String> {
        let changed = self.ledger.seen.iter().filter(|(run, seen)| match self.histories.get(run) {
            Some(events) => !events.starts_with(seen),
            // A run that was only looked at may have been closed long before.
            None => self.ledger.runs.contains_key(run) && !self.may_be_gone(run),
        });
        changed.map(|(run, _)| format!("{run:?}: its history is not what was shown of it")).collect()
    }

    /// A run made by a reset has the history of its base up to where that was reset.
    fn resets(&self) -> Vec<String> {
        let differs = |reset: &&Reset| {
            let both = (self.histories.get(&reset.base), self.histories.get(&reset.new));
            let (Some(base), Some(new)) = both else { return false };
            let shared = |events: &[HistoryEvent]| -> Vec<(i64, i32)> {
                let before = events.iter().take_while(|e| e.event_id < reset.event_id);
                before.map(|e| (e.event_id, e.event_type)).collect()
            };
            shared(base) != shared(new)
        };
        let different = self.ledger.resets.iter().filter(differs);
        different.map(|reset| format!("{reset:?}: the histories before that event differ")).collect()
    }

    /// A child that a parent knows of is there, and names its parent, or the run that its parent was reset from.
    fn children(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (parent, events) in self.histories {
            for event in events.iter().filter(|e| e.event_type() == EventType::ChildWorkflowExecutionStarted) {
                let Some(A::ChildWorkflowExecutionStartedEventAttributes(a)) = &event.attributes else { continue };
                let child = a.workflow_execution.clone().unwrap_or_default();
                let child = Address { id: child.workflow_id, run_id: child.run_id, ..parent.clone() };
                let first = self.histories.get(&child).and_then(|events| events.first());
                let names_parent = first.map(|e| match &e.attributes {
                    Some(A::WorkflowExecutionStartedEventAttributes(s)) => {
                        s.parent_workflow_execution.as_ref().is_some_and(|p| p.workflow_id == parent.id)
                    }
                    _ => false,
                });
                let started_ns = event.event_time.as_ref().map_or(0, |t| t.seconds * 1_000_000_000);
                let retention_ns = self.world.retention_ns();
                let may_be_gone = self.ledger.asked_to_delete.contains(&child)
                    || retention_ns > 0 && started_ns + retention_ns <= self.now_ns;
                if !names_parent.unwrap_or(may_be_gone) {
                    faults.push(format!("{parent:?}: its child {child:?} is lost or does not know it"));
                }
            }
        }
        faults
    }

    /// What was set is what was acknowledged last, or what was asked for after that.
    fn settings(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (setting, set) in &self.ledger.settings {
            let Set { acknowledged, asked } = *set;
            let number = self.number(setting);
            if !(acknowledged..=asked).contains(&number) {
                faults.push(format!(
                    "{setting:?} is {number}, but {acknowledged} was acknowledged and {asked} asked for"
                ));
            }
        }
        faults
    }

    fn number(&self, setting: &Setting) -> u64 {
        let node = self.world.node();
        let text = match setting {
            Setting::NamespaceData { namespace, key } => {
                let found = node.namespace_records().into_iter().find(|r| r.name == *namespace);
                found.and_then(|record| record.data.get(key).cloned())
            }
            Setting::QueueRate { namespace_id, queue } => {
                let config = node.queue_config(namespace_id, queue, QueueKind::Workflow);
                config.and_then(|c| c.queue_rate_limit?.metadata).map(|m| m.reason)
            }
        };
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}
