//! What workers tell of themselves, and who asks for it. Nothing of it is durable: a worker tells again soon.

mod known;
mod query;

pub(super) use known::Workers;

use crate::frontend::queue_config::queue_kind;
use crate::frontend::{Call, Frontend, Outcome};
use bytes::Bytes;
use evertide_engine::Rejection;
use evertide_proto::worker::{WorkerHeartbeat, WorkerInfo, WorkerListInfo};
use evertide_proto::workflowservice::{
    CountWorkersRequest, CountWorkersResponse, DescribeWorkerRequest, DescribeWorkerResponse, FetchWorkerConfigRequest,
    FetchWorkerConfigResponse, ListWorkersRequest, ListWorkersResponse, RecordWorkerHeartbeatRequest,
    RecordWorkerHeartbeatResponse, ShutdownWorkerRequest, ShutdownWorkerResponse, UpdateWorkerConfigRequest,
    UpdateWorkerConfigResponse,
};

/// Workers on a page where the caller does not say how many.
const PAGE_SIZE: usize = 100;
/// How the names of the system's own task queues begin.
const SYSTEM_QUEUES: &str = "temporal-sys-";
/// Workers on a page at most.
const LONGEST_PAGE: usize = 1000;

impl Frontend {
    /// RecordWorkerHeartbeat.
    pub(super) async fn record_worker_heartbeat(
        &self,
        _call: &Call,
        r: RecordWorkerHeartbeatRequest,
    ) -> Outcome<RecordWorkerHeartbeatResponse> {
        let namespace = self.namespace(&r.namespace)?;
        self.note_heartbeats(&namespace.id, r.worker_heartbeat)?;
        Ok(RecordWorkerHeartbeatResponse {})
    }

    /// Keeps what workers tell, however it comes, unless a setting says that they are not to be asked.
    pub(super) fn note_heartbeats(
        &self,
        namespace_id: &str,
        heartbeats: impl IntoIterator<Item = WorkerHeartbeat>,
    ) -> Outcome<()> {
        if !self.limits().worker_heartbeats {
            return Ok(());
        }
        let now_ns = self.node.now_ns();
        for heartbeat in heartbeats {
            self.workers.note(namespace_id, &heartbeat, now_ns)?;
        }
        Ok(())
    }

    /// ShutdownWorker: what waits for its sticky queue goes elsewhere, it is not shown among the pollers any more, and its
    /// polls end if clients are told so.
    pub(super) async fn shutdown_worker(
        &self,
        _call: &Call,
        r: ShutdownWorkerRequest,
    ) -> Outcome<ShutdownWorkerResponse> {
        let namespace = self.namespace(&r.namespace)?;
        self.note_heartbeats(&namespace.id, r.worker_heartbeat)?;
        let ended = if self.limits().cancel_worker_polls_on_shutdown { &r.worker_instance_key } else { "" };
        self.node.shutdown_worker(&namespace.id, ended, &r.sticky_task_queue);
        let kinds = if r.task_queue_types.is_empty() { vec![1, 2] } else { r.task_queue_types };
        for kind in kinds {
            self.node.forget_poller(&namespace.id, &r.task_queue, queue_kind(kind), &r.identity);
        }
        Ok(ShutdownWorkerResponse {})
    }

    /// DescribeWorker: its last heartbeat.
    pub(super) async fn describe_worker(
        &self,
        _call: &Call,
        r: DescribeWorkerRequest,
    ) -> Outcome<DescribeWorkerResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let found = self.workers.last(&namespace.id, &r.worker_instance_key, self.node.now_ns());
        let found = found.ok_or_else(|| Rejection::not_found(format!("Worker {} not found", r.worker_instance_key)))?;
        Ok(DescribeWorkerResponse { worker_info: Some(WorkerInfo { worker_heartbeat: Some(found) }) })
    }

    /// ListWorkers, in the order of their keys.
    pub(super) async fn list_workers(&self, _call: &Call, r: ListWorkersRequest) -> Outcome<ListWorkersResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let size = usize::try_from(r.page_size).ok().filter(|n| *n > 0).map_or(PAGE_SIZE, |n| n.min(LONGEST_PAGE));
        let after = page_token(&r.next_page_token)?;
        let meant = query::parse(&r.query)?;
        let is_meant = |w: &WorkerHeartbeat| (r.include_system_workers || !is_system_worker(w)) && meant.matches(w);
        let (now_ns, most) = (self.node.now_ns(), size.saturating_add(1));
        let mut found = self.workers.find(&namespace.id, after.as_deref(), most, now_ns, is_meant);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| more);
        let next_page_token = last.map_or_else(Bytes::new, |w| token(&w.worker_instance_key));
        let workers = found.iter().map(short).collect();
        let workers_info = found.into_iter().map(|w| WorkerInfo { worker_heartbeat: Some(w) }).collect();
        Ok(ListWorkersResponse { workers_info, workers, next_page_token })
    }

    /// CountWorkers.
    pub(super) async fn count_workers(&self, _call: &Call, r: CountWorkersRequest) -> Outcome<CountWorkersResponse> {
        let namespace = self.namespace(&r.namespace)?;
        let meant = query::parse(&r.query)?;
        let is_meant = |w: &WorkerHeartbeat| (r.include_system_workers || !is_system_worker(w)) && meant.matches(w);
        let count = self.workers.count(&namespace.id, self.node.now_ns(), is_meant);
        Ok(CountWorkersResponse { count: i64::try_from(count).unwrap_or(i64::MAX) })
    }

    /// FetchWorkerConfig: workers are not sent commands.
    pub(super) async fn fetch_worker_config(
        &self,
        _call: &Call,
        r: FetchWorkerConfigRequest,
    ) -> Outcome<FetchWorkerConfigResponse> {
        self.namespace(&r.namespace)?;
        Err(Rejection::unimplemented("FetchWorkerConfig command is not enabled.").into())
    }

    /// UpdateWorkerConfig: workers are not sent commands.
    pub(super) async fn update_worker_config(
        &self,
        _call: &Call,
        r: UpdateWorkerConfigRequest,
    ) -> Outcome<UpdateWorkerConfigResponse> {
        self.namespace(&r.namespace)?;
        Err(Rejection::unimplemented("UpdateWorkerConfig command is not enabled.").into())
    }
}

/// Whether a worker is one of the system's own, which lists and counts leave out unless they are asked for: it works on
/// a queue of the system.
fn is_system_worker(w: &WorkerHeartbeat) -> bool {
    w.task_queue.starts_with(SYSTEM_QUEUES)
}

/// What a list shows of a worker.
fn short(w: &WorkerHeartbeat) -> WorkerListInfo {
    let host = w.host_info.clone().unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: w.worker_instance_key.clone(),
        worker_identity: w.worker_identity.clone(),
        task_queue: w.task_queue.clone(),
        deployment_version: w.deployment_version.clone(),
        sdk_name: w.sdk_name.clone(),
        sdk_version: w.sdk_version.clone(),
        status: w.status,
        start_time: w.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        plugins: w.plugins.clone(),
        drivers: w.drivers.clone(),
    }
}

/// Begins every page token, so that others are told from it.
const TOKEN_PREFIX: &str = "after:";

fn token(last_key: &str) -> Bytes {
    format!("{TOKEN_PREFIX}{last_key}").into()
}

fn page_token(bytes: &[u8]) -> Result<Option<String>, Rejection> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let key = std::str::from_utf8(bytes).ok().and_then(|t| t.strip_prefix(TOKEN_PREFIX));
    key.map(|k| Some(k.to_owned())).ok_or_else(|| Rejection::invalid("invalid next_page_token"))
}
