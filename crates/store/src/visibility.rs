//! What lists and counts see of a run.

use bytes::Bytes;

use crate::batch::RunKey;

/// One run as lists and counts see it. Every write of it replaces the whole row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisibilityRow {
    /// The run. In a [`RunWrite`](crate::RunWrite) it is the written run's.
    pub run_key: RunKey,
    /// The namespace's id, not its name.
    pub namespace_id: String,
    /// The workflow id.
    pub workflow_id: String,
    /// The run id.
    pub run_id: String,
    /// The name of the workflow type.
    pub workflow_type: String,
    /// The task queue's name.
    pub task_queue: String,
    /// The protocol's number of the execution status.
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
    /// The search attributes that are set, by stored name, in ascending order of the names.
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

/// The value of a search attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchValue {
    /// Words, matched one by one.
    Text(String),
    /// One string, matched whole.
    Keyword(String),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A time in unix nanoseconds.
    Datetime(i64),
    /// Several strings, each matched whole.
    KeywordList(Vec<String>),
}

/// Which rows are meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every row.
    All,
    /// Rows that all the parts accept.
    And(Vec<Filter>),
    /// Rows with this workflow id.
    WorkflowId(String),
    /// Rows of this workflow type.
    WorkflowType(String),
    /// Rows in this status.
    Status(i32),
    /// Rows without a division.
    NoDivision,
    /// Rows started between two times, both inclusive.
    Started {
        /// The earliest start.
        from_ns: i64,
        /// The latest start.
        to_ns: i64,
    },
    /// Rows closed between two times, both inclusive.
    Closed {
        /// The earliest close.
        from_ns: i64,
        /// The latest close.
        to_ns: i64,
    },
}

impl Filter {
    /// Whether a row is meant.
    pub fn matches(&self, row: &VisibilityRow) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.matches(row)),
            Self::WorkflowId(workflow_id) => row.workflow_id == *workflow_id,
            Self::WorkflowType(workflow_type) => row.workflow_type == *workflow_type,
            Self::Status(status) => row.status == *status,
            Self::NoDivision => row.division.is_none(),
            Self::Started { from_ns, to_ns } => (*from_ns..=*to_ns).contains(&row.start_time_ns),
            Self::Closed { from_ns, to_ns } => row
                .close_time_ns
                .is_some_and(|close_time_ns| (*from_ns..=*to_ns).contains(&close_time_ns)),
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

impl ListCursor {
    /// The order of lists: what closes latest first, then what started latest, then by run id.
    pub fn list_order(&self, other: &Self) -> std::cmp::Ordering {
        (other.close_time_ns, other.start_time_ns)
            .cmp(&(self.close_time_ns, self.start_time_ns))
            .then_with(|| self.run_id.cmp(&other.run_id))
            .then_with(|| self.run_key.cmp(&other.run_key))
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// The rows in the order of lists.
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
