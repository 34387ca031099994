//! Schedules: making and changing them, looking at them, and lists of them.

use crate::frontend::{Call, Frontend, Outcome, unexpected};
use bytes::Bytes;
use evertide_engine::Rejection;
use evertide_engine::address::Address;
use evertide_engine::namespace::Namespace;
use evertide_engine::reply::Reply;
use evertide_engine::request::Create;
use evertide_engine::schedule::describe::{DIVISION, describe, matching_times};
use evertide_engine::schedule::{Request, State};
use evertide_engine::visibility::{
    self, Attributes, CompareOp, Field, Filter, Query, SearchValue, SystemAttribute, payload,
};
use evertide_proto::enums::WorkflowExecutionStatus;
use evertide_proto::schedule::ScheduleListEntry;
use evertide_proto::workflowservice::{
    CountSchedulesRequest, CountSchedulesResponse, CreateScheduleRequest, CreateScheduleResponse,
    DeleteScheduleRequest, DeleteScheduleResponse, DescribeScheduleRequest, DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest, ListScheduleMatchingTimesResponse, ListSchedulesRequest, ListSchedulesResponse,
    PatchScheduleRequest, PatchScheduleResponse, UpdateScheduleRequest, UpdateScheduleResponse,
};
use evertide_store::VisibilityRow;
use prost::Message;

impl Frontend {
    /// CreateSchedule.
    pub(super) async fn create_schedule(
        &self,
        _call: &Call,
        request: CreateScheduleRequest,
    ) -> Outcome<CreateScheduleResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let address = Address::schedule(&*namespace.id, &*request.schedule_id);
        match self.node.create(&address, Create::Schedule(Box::new(request))).await?.reply {
            Reply::ScheduleCreated { conflict_token } => {
                let conflict_token = Bytes::copy_from_slice(&conflict_token.to_be_bytes());
                Ok(CreateScheduleResponse { conflict_token })
            }
            other => Err(unexpected("the creation of a schedule", &other)),
        }
    }

    /// DescribeSchedule.
    pub(super) async fn describe_schedule(
        &self,
        _call: &Call,
        request: DescribeScheduleRequest,
    ) -> Outcome<DescribeScheduleResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let (attributes, now_ns) = (namespace.attributes(), self.node.now_ns());
        self.look_at_schedule(&namespace, &request.schedule_id, move |state| describe(state, &attributes, now_ns)).await
    }

    /// Looks at a schedule that has not ended.
    async fn look_at_schedule<T: Send + 'static>(
        &self,
        namespace: &Namespace,
        schedule_id: &str,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Outcome<T> {
        let address = Address::schedule(&*namespace.id, schedule_id);
        let missing = address.not_found();
        let seen = self.node.look(address, move |view| {
            let open = view.exec.as_schedule().filter(|schedule| schedule.state.is_open());
            open.map(|schedule| look(&schedule.state))
        });
        seen.await?.ok_or_else(|| missing.into())
    }

    /// UpdateSchedule.
    pub(super) async fn update_schedule(
        &self,
        _call: &Call,
        request: UpdateScheduleRequest,
    ) -> Outcome<UpdateScheduleResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let address = Address::schedule(&*namespace.id, &*request.schedule_id);
        self.node.run(address, Request::Update(Box::new(request))).await?;
        Ok(UpdateScheduleResponse {})
    }

    /// PatchSchedule.
    pub(super) async fn patch_schedule(
        &self,
        _call: &Call,
        request: PatchScheduleRequest,
    ) -> Outcome<PatchScheduleResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let address = Address::schedule(&*namespace.id, &*request.schedule_id);
        self.node.run(address, Request::Patch(Box::new(request))).await?;
        Ok(PatchScheduleResponse {})
    }

    /// DeleteSchedule. The workflows that it started go on.
    pub(super) async fn delete_schedule(
        &self,
        _call: &Call,
        request: DeleteScheduleRequest,
    ) -> Outcome<DeleteScheduleResponse> {
        let namespace = self.namespace(&request.namespace)?;
        self.look_at_schedule(&namespace, &request.schedule_id, |_| ()).await?;
        self.node.remove(Address::schedule(&*namespace.id, &*request.schedule_id)).await?;
        Ok(DeleteScheduleResponse {})
    }

    /// ListScheduleMatchingTimes.
    pub(super) async fn list_schedule_matching_times(
        &self,
        _call: &Call,
        request: ListScheduleMatchingTimesRequest,
    ) -> Outcome<ListScheduleMatchingTimesResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let seen = |state: &State| (state.definition.spec.clone(), state.jitter_seed());
        let (spec, seed) = self.look_at_schedule(&namespace, &request.schedule_id, seen).await?;
        // A spec with many exclusions takes its time, which nobody else waits for here.
        let find = move || matching_times(&spec, &seed, request.start_time.as_ref(), request.end_time.as_ref());
        let found = tokio::task::spawn_blocking(find).await;
        let start_time = found.map_err(|error| crate::fault::Fault::Internal(error.to_string()))??;
        Ok(ListScheduleMatchingTimesResponse { start_time })
    }

    /// ListSchedules.
    pub(super) async fn list_schedules(
        &self,
        _call: &Call,
        request: ListSchedulesRequest,
    ) -> Outcome<ListSchedulesResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let query = parsed(&namespace, &request.query)?;
        let (rows, next_page_token) =
            self.rows(&namespace, query, request.maximum_page_size, &request.next_page_token).await?;
        let attributes = namespace.attributes();
        let schedules = rows.iter().map(|row| entry(row, &attributes)).collect();
        Ok(ListSchedulesResponse { schedules, next_page_token })
    }

    /// CountSchedules.
    pub(super) async fn count_schedules(
        &self,
        _call: &Call,
        request: CountSchedulesRequest,
    ) -> Outcome<CountSchedulesResponse> {
        let namespace = self.namespace(&request.namespace)?;
        let query = parsed(&namespace, &request.query)?;
        Ok(CountSchedulesResponse { count: self.count(&namespace, query).await?, groups: Vec::new() })
    }
}

/// A query of schedules that have not ended.
fn parsed(namespace: &Namespace, text: &str) -> Outcome<Query> {
    let query = visibility::parse(text, &namespace.attributes()).map_err(Rejection::from)?;
    let mut query = query.within(Some(DIVISION));
    if query.group_by.is_some() {
        return Err(Rejection::invalid("invalid query: operation is not supported: 'GROUP BY' clause").into());
    }
    let is_open = Filter::Compare {
        field: Field::System(SystemAttribute::ExecutionStatus),
        op: CompareOp::Equal,
        value: SearchValue::Int(i32::from(WorkflowExecutionStatus::Running).into()),
    };
    query.filter = Filter::And(vec![query.filter, is_open]);
    Ok(query)
}

/// A row as lists of schedules show it.
fn entry(row: &VisibilityRow, attributes: &Attributes) -> ScheduleListEntry {
    let kept = ScheduleListEntry::decode(row.payload.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, run_id = row.run_id, "the description in a list's row cannot be read");
        ScheduleListEntry::default()
    });
    let search_attributes = kept.search_attributes.map(|given| payload::listed(&given, attributes));
    ScheduleListEntry { search_attributes, ..kept }
}
