//! The file: closed workflows of a month, as a shop might have them.

use evertide_engine::visibility::AttributeType;
use evertide_store::{Batch, CurrentRun, RunIdentity, RunWrite, SearchValue, Store, VisibilityRow, Write};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The search attributes that the workflows have.
pub(crate) const ATTRIBUTES: [(&str, AttributeType); 3] =
    [("Customer", AttributeType::Keyword), ("Region", AttributeType::Keyword), ("Amount", AttributeType::Int)];

/// Runs that one commit writes.
const RUNS_AT_ONCE: i64 = 5000;
/// Over what time the workflows were started.
const MONTH_NS: i64 = 30 * 86_400 * 1_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// Numbers of the statuses in the protocol.
const COMPLETED: i32 = 2;
const FAILED: i32 = 3;
const TERMINATED: i32 = 5;
const TIMED_OUT: i32 = 7;

/// What is in the file, to ask for it.
#[derive(Debug)]
pub(crate) struct Filled {
    rows: i64,
    end_ns: i64,
}

/// Writes so many closed workflows into a namespace.
pub(crate) fn fill(file: &Path, namespace_id: &str, rows: i64) -> anyhow::Result<Filled> {
    let store = SqliteStore::open(file, &SqliteOptions::default())?;
    let end_ns = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos())?;
    let first_key = store.open_state()?.next_run_key;
    let mut number = 0;
    while number < rows {
        let last = rows.min(number + RUNS_AT_ONCE);
        let writes = (number..last).map(|n| {
            let start_ns = end_ns - MONTH_NS + n * (MONTH_NS / rows);
            Write::Run(run(namespace_id, first_key + n, n, start_ns))
        });
        store.commit(Batch::of_sole_writer(writes.collect()))?;
        number = last;
    }
    store.materialise()?;
    Ok(Filled { rows, end_ns })
}

fn run(namespace_id: &str, run_key: i64, n: i64, start_ns: i64) -> RunWrite {
    let row = row(namespace_id, run_key, n, start_ns);
    RunWrite {
        run_key,
        create: Some(RunIdentity {
            namespace_id: row.namespace_id.clone(),
            kind: 0,
            id: row.workflow_id.clone(),
            run_id: row.run_id.clone(),
        }),
        current: CurrentRun::Set,
        first_event_id: 1,
        visibility: Some(row),
        ..RunWrite::default()
    }
}

/// The row of the workflow with a number. Where it came in the month says nothing about the rest of it.
pub(crate) fn row(namespace_id: &str, run_key: i64, n: i64, start_ns: i64) -> VisibilityRow {
    let mixed = n.wrapping_mul(0x9e37_79b9).rem_euclid(1_000_003);
    let status = match mixed % 1000 {
        0..950 => COMPLETED,
        950..990 => FAILED,
        990..999 => TIMED_OUT,
        _ => TERMINATED,
    };
    let workflow_id = format!("order-{n:08}");
    let run_id = format!("{start_ns:016x}-{n:08x}-0000-7000-8000");
    let lasts_ns = (mixed % 3600 + 1) * SECOND_NS;
    VisibilityRow {
        run_key,
        namespace_id: namespace_id.to_owned(),
        workflow_type: format!("Order{:02}", mixed % 20),
        task_queue: format!("orders-{}", mixed % 5),
        status,
        start_time_ns: start_ns,
        execution_time_ns: Some(start_ns),
        close_time_ns: Some(start_ns + lasts_ns),
        history_length: Some(mixed % 100 + 5),
        history_size_bytes: Some(mixed % 100 * 300),
        state_transition_count: Some(mixed % 20),
        execution_duration_ns: Some(lasts_ns),
        root_workflow_id: workflow_id.clone(),
        root_run_id: run_id.clone(),
        workflow_id,
        run_id,
        search_attributes: vec![
            ("Amount".to_owned(), SearchValue::Int(mixed)),
            ("Customer".to_owned(), SearchValue::Keyword(format!("customer-{}", mixed % 20_000))),
            (
                "Region".to_owned(),
                SearchValue::Keyword(["eu", "us", "asia"][usize::try_from(mixed % 3).unwrap_or(0)].to_owned()),
            ),
        ],
        ..VisibilityRow::default()
    }
}

impl Filled {
    fn ago(&self, time: Duration) -> String {
        let end = Duration::from_nanos(self.end_ns.unsigned_abs());
        (end.saturating_sub(time)).as_nanos().to_string()
    }

    /// What people ask for, and an index can serve.
    pub(crate) fn queries(&self) -> Vec<(&'static str, String)> {
        let hours = |hours: u64| self.ago(Duration::from_secs(3600 * hours));
        let id = format!("order-{:08}", self.rows / 2);
        let prefix = &id[..id.len() - 2];
        vec![
            ("all", String::new()),
            ("open", "ExecutionStatus = 'Running'".to_owned()),
            ("failed", "ExecutionStatus = 'Failed'".to_owned()),
            ("one type", "WorkflowType = 'Order07'".to_owned()),
            ("failed of one type", "WorkflowType = 'Order07' AND ExecutionStatus = 'Failed'".to_owned()),
            ("one id", format!("WorkflowId = '{id}'")),
            ("ids by prefix", format!("WorkflowId STARTS_WITH '{prefix}'")),
            ("started in an hour", format!("StartTime BETWEEN {} AND {}", hours(49), hours(48))),
            ("closed in a day", format!("CloseTime > {} AND CloseTime < {}", hours(72), hours(48))),
            ("one customer", "Customer = 'customer-4711'".to_owned()),
            ("one region, completed", "Region = 'eu' AND ExecutionStatus = 'Completed'".to_owned()),
            ("amounts above most", "Amount > 999900".to_owned()),
            ("one task queue", "TaskQueue = 'orders-3'".to_owned()),
        ]
    }

    /// What no index serves: all rows are looked at, some at a time.
    pub(crate) fn scans(&self) -> Vec<(&'static str, String)> {
        vec![
            ("long histories", "HistoryLength > 1000000".to_owned()),
            ("a task queue of nobody", "TaskQueue = 'nobody'".to_owned()),
        ]
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("all", String::new()),
            ("by status", "GROUP BY ExecutionStatus".to_owned()),
            ("failed", "ExecutionStatus = 'Failed'".to_owned()),
            ("one customer", "Customer = 'customer-4711'".to_owned()),
        ]
    }
}
