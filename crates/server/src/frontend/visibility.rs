//! Lists and counts of workflow executions.
//!
//! A query is read against the search attributes of its namespace, and what belongs to a division (schedules and the
//! like) is left out unless the query speaks of divisions.

mod entry;
mod page;

use crate::fault::Fault;
use crate::fault::store_fault;
use crate::frontend::{Call, Frontend, Outcome};
use bytes::Bytes;
use entry::entry;
use evertide_engine::Rejection;
use evertide_engine::env::timestamp_ns;
use evertide_engine::namespace::Namespace;
use evertide_engine::visibility::{
    self, AttributeType, CompareOp, Field, Filter, Query, SearchValue, SystemAttribute, execution_status_name,
};
use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::filter::StartTimeFilter;
use evertide_proto::workflow::WorkflowExecutionInfo;
use evertide_proto::workflowservice::count_workflow_executions_response::AggregationGroup;
use evertide_proto::workflowservice::list_closed_workflow_executions_request::Filters as ClosedFilters;
use evertide_proto::workflowservice::list_open_workflow_executions_request::Filters as OpenFilters;
use evertide_proto::workflowservice::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, ListArchivedWorkflowExecutionsRequest,
    ListArchivedWorkflowExecutionsResponse, ListClosedWorkflowExecutionsRequest, ListClosedWorkflowExecutionsResponse,
    ListOpenWorkflowExecutionsRequest, ListOpenWorkflowExecutionsResponse, ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse, ScanWorkflowExecutionsRequest, ScanWorkflowExecutionsResponse,
};
use evertide_store::{ListQuery, Store, StoreError, VisibilityRow};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Entries on a page at most, and where the caller does not say how many.
const PAGE_SIZE: usize = 1000;

/// How long a list or a count waits for others that are under way.
const LONGEST_QUEUE: Duration = Duration::from_secs(2);

/// What to do about a count that would take too long, before its reason.
const NARROW_COUNT: &str = "the count needs a narrower filter, such as a range of StartTime or CloseTime, or a rare value of a \
    search attribute; a list goes through all pages: ";

/// The entries of a page and the token of the next one.
type Page = (Vec<WorkflowExecutionInfo>, Bytes);

impl Frontend {
    /// ListWorkflowExecutions.
    pub(super) async fn list_workflow_executions(
        &self,
        _call: &Call,
        r: ListWorkflowExecutionsRequest,
    ) -> Outcome<ListWorkflowExecutionsResponse> {
        let (executions, next_page_token) =
            self.listed(&r.namespace, &r.query, r.page_size, &r.next_page_token).await?;
        Ok(ListWorkflowExecutionsResponse { executions, next_page_token })
    }

    /// ScanWorkflowExecutions: the same.
    pub(super) async fn scan_workflow_executions(
        &self,
        _call: &Call,
        r: ScanWorkflowExecutionsRequest,
    ) -> Outcome<ScanWorkflowExecutionsResponse> {
        let (executions, next_page_token) =
            self.listed(&r.namespace, &r.query, r.page_size, &r.next_page_token).await?;
        Ok(ScanWorkflowExecutionsResponse { executions, next_page_token })
    }

    async fn listed(&self, namespace: &str, query: &str, page_size: i32, token: &[u8]) -> Outcome<Page> {
        let namespace = self.namespace(namespace)?;
        let query = parsed(&namespace, query)?;
        if query.group_by.is_some() {
            let message = "invalid query: operation is not supported: 'GROUP BY' clause";
            return Err(Rejection::invalid(message).into());
        }
        self.list(&namespace, query, page_size, token).await
    }

    /// ListOpenWorkflowExecutions.
    pub(super) async fn list_open_workflow_executions(
        &self,
        _call: &Call,
        r: ListOpenWorkflowExecutionsRequest,
    ) -> Outcome<ListOpenWorkflowExecutionsResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let mut parts = vec![Filter::IsNull(Field::System(SystemAttribute::CloseTime))];
        parts.extend(within(SystemAttribute::StartTime, r.start_time_filter.as_ref())?);
        parts.extend(r.filters.map(|f| match f {
            OpenFilters::ExecutionFilter(f) => equal(SystemAttribute::WorkflowId, f.workflow_id),
            OpenFilters::TypeFilter(f) => equal(SystemAttribute::WorkflowType, f.name),
        }));
        let query = Query { filter: Filter::And(parts), group_by: None, names_division: false }.within(None);
        let (executions, next_page_token) =
            self.list(&namespace, query, r.maximum_page_size, &r.next_page_token).await?;
        Ok(ListOpenWorkflowExecutionsResponse { executions, next_page_token })
    }

    /// ListClosedWorkflowExecutions.
    pub(super) async fn list_closed_workflow_executions(
        &self,
        _call: &Call,
        r: ListClosedWorkflowExecutionsRequest,
    ) -> Outcome<ListClosedWorkflowExecutionsResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let open = Filter::IsNull(Field::System(SystemAttribute::CloseTime));
        let mut parts = vec![Filter::Not(Box::new(open))];
        parts.extend(within(SystemAttribute::CloseTime, r.start_time_filter.as_ref())?);
        match r.filters {
            None => {}
            Some(ClosedFilters::ExecutionFilter(f)) => parts.push(equal(SystemAttribute::WorkflowId, f.workflow_id)),
            Some(ClosedFilters::TypeFilter(f)) => parts.push(equal(SystemAttribute::WorkflowType, f.name)),
            Some(ClosedFilters::StatusFilter(f)) => parts.push(closed_status(f.status())?),
        }
        let query = Query { filter: Filter::And(parts), group_by: None, names_division: false }.within(None);
        let (executions, next_page_token) =
            self.list(&namespace, query, r.maximum_page_size, &r.next_page_token).await?;
        Ok(ListClosedWorkflowExecutionsResponse { executions, next_page_token })
    }

    async fn list(&self, namespace: &Namespace, query: Query, page_size: i32, token: &[u8]) -> Outcome<Page> {
        let (rows, next_page_token) = self.rows(namespace, query, page_size, token).await?;
        let attributes = namespace.attributes();
        Ok((rows.iter().map(|row| entry(row, &attributes)).collect(), next_page_token))
    }

    /// The rows of a page that a query finds, and the token of the next one.
    pub(super) async fn rows(
        &self,
        namespace: &Namespace,
        query: Query,
        page_size: i32,
        token: &[u8],
    ) -> Outcome<(Vec<VisibilityRow>, Bytes)> {
        let size = usize::try_from(page_size).ok().filter(|n| (1..=PAGE_SIZE).contains(n)).unwrap_or(PAGE_SIZE);
        let after = page::read_token(&namespace.id, token)?;
        let query = ListQuery { namespace_id: namespace.id.clone(), filter: query.filter, page_size: size, after };
        let found = self.read_store(move |store| store.list(&query)).await?;
        Ok((found.rows, found.next.map_or_else(Bytes::new, |next| page::token(&namespace.id, next))))
    }

    /// How many rows a query finds.
    pub(super) async fn count(&self, namespace: &Namespace, query: Query) -> Outcome<i64> {
        let namespace_id = namespace.id.clone();
        Ok(signed(self.read_store(move |store| store.count(&namespace_id, &query.filter)).await?))
    }

    /// ListArchivedWorkflowExecutions: there is no archive.
    pub(super) async fn list_archived_workflow_executions(
        &self,
        _call: &Call,
        r: ListArchivedWorkflowExecutionsRequest,
    ) -> Outcome<ListArchivedWorkflowExecutionsResponse> {
        self.namespace(&r.namespace)?;
        Err(Rejection::invalid("Cluster is not configured for visibility archival.").into())
    }

    /// CountWorkflowExecutions, of all or by status.
    pub(super) async fn count_workflow_executions(
        &self,
        _call: &Call,
        r: CountWorkflowExecutionsRequest,
    ) -> Outcome<CountWorkflowExecutionsResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let query = parsed(&namespace, &r.query)?;
        let by_status = query.group_by.is_some();
        if !by_status {
            let count = self.count(&namespace, query).await?;
            return Ok(CountWorkflowExecutionsResponse { count, groups: Vec::new() });
        }
        let namespace_id = namespace.id.clone();
        let counts = self.read_store(move |store| store.count_by_status(&namespace_id, &query.filter)).await?;
        let count = counts.iter().map(|(_, count)| signed(*count)).sum();
        let groups = counts.into_iter().map(|(status, count)| group(status, signed(count))).collect();
        Ok(CountWorkflowExecutionsResponse { count, groups })
    }

    /// Asks the store, where waiting for it holds up nobody else.
    async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Outcome<T> {
        let place = self.store_readers.enter().await?;
        let store = self.node.store().clone();
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(&*store)
        });
        let read = read.await.map_err(|error| Fault::Internal(error.to_string()))?;
        read.map_err(|error| match error {
            StoreError::TooManyRows { .. } => Rejection::invalid(format!("{NARROW_COUNT}{error}")).into(),
            _ => store_fault(error).into(),
        })
    }
}

/// Bounds how many lists and counts read the store at a time. Each keeps a core busy, so more of them would only make all
/// of them slower, and everything else too.
#[derive(Debug, Clone)]
pub(super) struct StoreReaders {
    places: Arc<Semaphore>,
}

impl Default for StoreReaders {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { places: Arc::new(Semaphore::new(cores)) }
    }
}

impl StoreReaders {
    /// A place among those who read, which is free again when it is dropped.
    ///
    /// # Errors
    /// None was free in time.
    async fn enter(&self) -> Result<OwnedSemaphorePermit, Rejection> {
        let place = tokio::time::timeout(LONGEST_QUEUE, self.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            Rejection::overloaded("too many lists and counts are under way; try again later, or ask for less at a time")
        })
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn parsed(namespace: &Namespace, text: &str) -> Outcome<Query> {
    let query = visibility::parse(text, &namespace.attributes());
    Ok(query.map_err(Rejection::from)?.within(None))
}

fn group(status: i32, count: i64) -> AggregationGroup {
    let name = execution_status_name(status).unwrap_or_default().to_owned();
    let value = visibility::payload::encode(&SearchValue::Keyword(name));
    AggregationGroup { group_values: vec![visibility::payload::with_type(&value, AttributeType::Keyword)], count }
}

fn equal(attribute: SystemAttribute, value: String) -> Filter {
    let value = SearchValue::Keyword(value);
    Filter::Compare { field: Field::System(attribute), op: CompareOp::Equal, value }
}

fn closed_status(status: WorkflowExecutionStatus) -> Result<Filter, Rejection> {
    if matches!(status, WorkflowExecutionStatus::Unspecified | WorkflowExecutionStatus::Running) {
        return Err(Rejection::invalid("StatusFilter must be specified and must be not Running."));
    }
    let field = Field::System(SystemAttribute::ExecutionStatus);
    Ok(Filter::Compare { field, op: CompareOp::Equal, value: SearchValue::Int(i64::from(i32::from(status))) })
}

/// A window of time, both ends included.
fn within(attribute: SystemAttribute, window: Option<&StartTimeFilter>) -> Result<Option<Filter>, Rejection> {
    let Some(window) = window else { return Ok(None) };
    let low = window.earliest_time.as_ref().map_or(0, timestamp_ns);
    let high = window.latest_time.as_ref().map_or(i64::MAX, timestamp_ns);
    if low > high {
        return Err(Rejection::invalid("EarliestTime in StartTimeFilter should not be larger than LatestTime."));
    }
    let (low, high) = (SearchValue::Datetime(low), SearchValue::Datetime(high));
    Ok(Some(Filter::Between { field: Field::System(attribute), low, high }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evertide_engine::{Code, Detail};

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_in_time_is_told_to_try_again() {
        let readers = StoreReaders { places: Arc::new(Semaphore::new(1)) };
        let place = readers.enter().await.unwrap();
        let refusal = readers.enter().await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted);
        assert!(matches!(refusal.detail, Detail::ResourceExhausted { .. }));
        let waiting = tokio::spawn(async move { readers.enter().await.map(drop) });
        tokio::time::sleep(LONGEST_QUEUE / 2).await;
        drop(place);
        waiting.await.unwrap().unwrap();
    }
}
