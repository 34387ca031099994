//! What lists and counts see of a run.

use std::cmp::Reverse;

use bytes::Bytes;
use evertide_engine::visibility::{Field, Filter, NAMESPACE_DIVISION, Row, SearchValue, SystemAttribute, ValueRef};

use crate::batch::RunKey;

/// One run as lists and counts see it. Every write of it replaces the whole row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisibilityRow {
    /// The run. In a [`RunWrite`](crate::RunWrite) it is the written run's.
    pub run_key: RunKey,
    /// The namespace's id, not its name. It and the next two are those of the run's identity.
    pub namespace_id: String,
    /// The workflow id.
    pub workflow_id: String,
    /// The run id.
    pub run_id: String,
    /// The name of the workflow type.
    pub workflow_type: String,
    /// The task queue's name.
    pub task_queue: String,
    /// The protocol's number of the execution status. Whoever is running, [`RUNNING`], has no close time.
    pub status: i32,
    /// When the run was started, in unix nanoseconds.
    pub start_time_ns: i64,
    /// When its first task could run (after a start delay or a cron wait), in unix nanoseconds.
    pub execution_time_ns: Option<i64>,
    /// When it closed, in unix nanoseconds; none while it is open.
    pub close_time_ns: Option<i64>,
    /// How many events it has; known when it has closed.
    pub history_length: Option<i64>,
    /// The size of its history; known when it has closed.
    pub history_size_bytes: Option<i64>,
    /// How often its state was changed; known when it has closed.
    pub state_transition_count: Option<i64>,
    /// From the execution time to the close; known when it has closed.
    pub execution_duration_ns: Option<i64>,
    /// The workflow id of the parent, for a child.
    pub parent_workflow_id: Option<String>,
    /// The run id of the parent, for a child.
    pub parent_run_id: Option<String>,
    /// The workflow id at the root of the tree of children.
    pub root_workflow_id: String,
    /// The run id at the root of the tree of children.
    pub root_run_id: String,
    /// The memo, an encoded message that the store does not read.
    pub memo: Bytes,
    /// The search attributes that are set, by stored name, each name once. The division is not among them.
    pub search_attributes: Vec<(String, SearchValue)>,
    /// The division of the namespace, which keeps schedules and the like out of ordinary lists.
    pub division: Option<String>,
    /// What else the server wants back with the row; the store does not read it.
    pub payload: Bytes,
}

impl VisibilityRow {
    /// The close time as lists order by it: an open run counts as closing after all others.
    pub fn list_close_time_ns(&self) -> i64 {
        self.close_time_ns.unwrap_or(i64::MAX)
    }

    /// The place of this row, to compare it with others.
    pub fn list_place(&self) -> ListPlace<'_> {
        (Reverse(self.list_close_time_ns()), Reverse(self.start_time_ns), &self.run_id, self.run_key)
    }

    /// Where this row stands in a list.
    pub fn cursor(&self) -> ListCursor {
        ListCursor {
            close_time_ns: self.list_close_time_ns(),
            start_time_ns: self.start_time_ns,
            run_id: self.run_id.clone(),
            run_key: self.run_key,
        }
    }
}

/// The protocol's number of the execution status `Running`.
pub const RUNNING: i32 = 1;

impl Row for VisibilityRow {
    fn value(&self, field: &Field) -> Option<ValueRef<'_>> {
        match field {
            Field::System(attribute) => self.system_value(*attribute),
            Field::Attribute { name, .. } if name == NAMESPACE_DIVISION => {
                self.division.as_deref().map(ValueRef::Keyword)
            }
            Field::Attribute { name, .. } => {
                let mut attributes = self.search_attributes.iter();
                let (_, value) = attributes.find(|(attribute, _)| attribute == name)?;
                Some(value.as_value_ref())
            }
        }
    }
}

impl VisibilityRow {
    fn system_value(&self, attribute: SystemAttribute) -> Option<ValueRef<'_>> {
        match attribute {
            SystemAttribute::WorkflowId => Some(ValueRef::Keyword(&self.workflow_id)),
            SystemAttribute::RunId => Some(ValueRef::Keyword(&self.run_id)),
            SystemAttribute::WorkflowType => Some(ValueRef::Keyword(&self.workflow_type)),
            SystemAttribute::StartTime => Some(ValueRef::Datetime(self.start_time_ns)),
            SystemAttribute::ExecutionTime => self.execution_time_ns.map(ValueRef::Datetime),
            SystemAttribute::CloseTime => self.close_time_ns.map(ValueRef::Datetime),
            SystemAttribute::ExecutionStatus => Some(ValueRef::Int(i64::from(self.status))),
            SystemAttribute::TaskQueue => Some(ValueRef::Keyword(&self.task_queue)),
            SystemAttribute::HistoryLength => self.history_length.map(ValueRef::Int),
            SystemAttribute::ExecutionDuration => self.execution_duration_ns.map(ValueRef::Int),
            SystemAttribute::StateTransitionCount => self.state_transition_count.map(ValueRef::Int),
            SystemAttribute::HistorySizeBytes => self.history_size_bytes.map(ValueRef::Int),
            SystemAttribute::ParentWorkflowId => self.parent_workflow_id.as_deref().map(ValueRef::Keyword),
            SystemAttribute::ParentRunId => self.parent_run_id.as_deref().map(ValueRef::Keyword),
            SystemAttribute::RootWorkflowId => Some(ValueRef::Keyword(&self.root_workflow_id)),
            SystemAttribute::RootRunId => Some(ValueRef::Keyword(&self.root_run_id)),
        }
    }
}

/// A question for one page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// The namespace's id.
    pub namespace_id: String,
    /// Which rows.
    pub filter: Filter,
    /// How many rows at most.
    pub page_size: usize,
    /// Where the last page ended.
    pub after: Option<ListCursor>,
}

/// A place in a list. Rows that come or go between two pages do not shift it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// [`VisibilityRow::list_close_time_ns`] of the last row seen.
    pub close_time_ns: i64,
    /// Its start time.
    pub start_time_ns: i64,
    /// Its run id.
    pub run_id: String,
    /// Its run key, which tells rows apart that are alike in all else.
    pub run_key: RunKey,
}

/// What lists are ordered by: what closes latest first, then what started latest, then by run id.
pub type ListPlace<'a> = (Reverse<i64>, Reverse<i64>, &'a str, RunKey);

impl ListCursor {
    /// The place, to compare it with those of rows.
    pub fn list_place(&self) -> ListPlace<'_> {
        (Reverse(self.close_time_ns), Reverse(self.start_time_ns), &self.run_id, self.run_key)
    }

    /// The order of lists.
    pub fn list_order(&self, other: &Self) -> std::cmp::Ordering {
        self.list_place().cmp(&other.list_place())
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// The rows in the order of lists. They may be fewer than were asked for, even none, with more to come: a store
    /// that has to look at very many rows answers in between.
    pub rows: Vec<VisibilityRow>,
    /// Where to go on; none when there is nothing more.
    pub next: Option<ListCursor>,
}

impl ListPage {
    /// Fills a page with rows that come in the order of lists. There is a next page exactly if a row was left over.
    pub fn from_rows(mut rows: impl Iterator<Item = VisibilityRow>, page_size: usize) -> Self {
        let page: Vec<_> = rows.by_ref().take(page_size).collect();
        let next = match page.last() {
            Some(last) if rows.next().is_some() => Some(last.cursor()),
            _ => None,
        };
        Self { rows: page, next }
    }
}
