//! A workflow of the official SDK that does whatever a handle can see. `tests/wire/workflows.py` has its twin.

use std::error::Error;

use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_common::error::ApplicationFailure;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ContinueAsNewOptions, Runtime, SyncWorkflowContext, Worker, WorkerOptions, WorkflowContext, WorkflowContextView,
    WorkflowResult,
};

/// More than this does not fit, and the update that would exceed it fails.
const CAPACITY: i64 = 1000;

/// Adds up what it is told, until it is told how to end.
#[workflow]
struct Ledger {
    total: i64,
    ending: Option<String>,
}

#[workflow_methods]
impl Ledger {
    #[init]
    fn new(_ctx: &WorkflowContextView, total: i64) -> Self {
        Self { total, ending: None }
    }

    #[run]
    async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<i64> {
        ctx.wait_condition(|ledger| ledger.ending.is_some()).await?;
        let (total, ending) = ctx.state(|ledger| (ledger.total, ledger.ending.clone()));
        match ending.as_deref() {
            Some("fail") => Err(out_of_luck(total).into()),
            Some("hand over") => {
                ctx.continue_as_new(total, ContinueAsNewOptions::default())?;
                Ok(total)
            }
            _ => Ok(total),
        }
    }

    #[signal]
    fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, amount: i64) {
        self.total += amount;
    }

    #[signal]
    fn close(&mut self, _ctx: &mut SyncWorkflowContext<Self>, ending: String) {
        self.ending = Some(ending);
    }

    #[query]
    fn total(&self, _ctx: &WorkflowContextView) -> i64 {
        self.total
    }

    #[query]
    fn broken(&self, _ctx: &WorkflowContextView) -> Result<i64, Box<dyn Error + Send + Sync>> {
        Err("this query never works".into())
    }

    #[update_validator(deposit)]
    fn check_deposit(&self, _ctx: &WorkflowContextView, amount: &i64) -> Result<(), Box<dyn Error + Send + Sync>> {
        match *amount < 0 {
            true => Err("no negative amounts".into()),
            false => Ok(()),
        }
    }

    #[update]
    fn deposit(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        amount: i64,
    ) -> Result<i64, Box<dyn Error + Send + Sync>> {
        if self.total + amount > CAPACITY {
            // The SDK sends the message of an update's error alone, without a type or details.
            return Err("the safe is full".into());
        }
        self.total += amount;
        Ok(self.total)
    }

    /// Waits until there is enough.
    #[update]
    async fn reach(ctx: &mut WorkflowContext<Self>, enough: i64) -> Result<i64, Box<dyn Error + Send + Sync>> {
        ctx.wait_condition(|ledger| ledger.total >= enough).await?;
        Ok(ctx.state(|ledger| ledger.total))
    }
}

fn out_of_luck(total: i64) -> ApplicationFailure {
    ApplicationFailure::builder("out of luck").type_name("Luck".to_owned()).details(total).build()
}

/// Works on a task queue until standard input ends.
pub(crate) async fn work(address: &str, queue: &str) -> anyhow::Result<()> {
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let url = url::Url::parse(&format!("http://{address}"))?;
    let connection = Connection::connect(ConnectionOptions::new(url).build()).await?;
    let client = Client::new(connection, ClientOptions::new("default").build())?;
    let options = WorkerOptions::new(queue).register_workflow::<Ledger>()?.build();
    let mut worker = Worker::new(&runtime, client, options)?;
    let over = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        ended = worker.run() => ended?,
        _ = over => {}
    }
    Ok(())
}
