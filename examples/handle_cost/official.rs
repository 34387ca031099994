//! The official client under measurement, with definitions as its SDK writes them.

use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, GrpcCompression, WorkflowCancelOptions,
    WorkflowDescribeOptions, WorkflowExecuteUpdateOptions, WorkflowFetchHistoryOptions, WorkflowGetResultOptions,
    WorkflowHandle, WorkflowQueryOptions, WorkflowSignalOptions, WorkflowStartOptions, WorkflowTerminateOptions,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult};

use super::fake;
use crate::{Call, Caller, Way};

#[workflow]
#[derive(Default)]
struct Order {
    approved_by: Option<String>,
    item: String,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(ctx: &mut WorkflowContext<Self>, item: String) -> WorkflowResult<String> {
        ctx.state_mut(|s| s.item = item);
        ctx.wait_condition(|s| s.approved_by.is_some()).await?;
        Ok(ctx.state(|s| s.item.clone()))
    }

    #[signal]
    fn approve(&mut self, _ctx: &mut SyncWorkflowContext<Self>, by: String) {
        self.approved_by = Some(by);
    }

    #[query]
    fn stage(&self, _ctx: &WorkflowContextView) -> String {
        self.item.clone()
    }

    #[update]
    fn rename(&mut self, _ctx: &mut SyncWorkflowContext<Self>, item: String) -> String {
        std::mem::replace(&mut self.item, item)
    }
}

pub(crate) struct Official {
    client: Client,
    handle: WorkflowHandle<Client, order::Run>,
}

impl Official {
    pub(crate) async fn connect(way: &Way, gzip: bool) -> anyhow::Result<Self> {
        let compression = if gzip { GrpcCompression::Gzip } else { GrpcCompression::None };
        let options = match way {
            Way::Socket(address) => ConnectionOptions::new(url::Url::parse(&format!("http://{address}"))?)
                .grpc_compression(compression)
                .build(),
            Way::InProcess => ConnectionOptions::new(url::Url::parse("http://fake")?)
                .service_override(fake::in_process())
                .dns_load_balancing(None)
                .build(),
        };
        let client = Client::new(Connection::connect(options).await?, ClientOptions::new("default").build())?;
        let handle = client.get_workflow_handle("order-1");
        Ok(Self { client, handle })
    }

    pub(crate) fn handle_size(&self) -> usize {
        size_of_val(&self.handle)
    }
}

impl Caller for Official {
    async fn call(&self, call: Call) -> anyhow::Result<()> {
        let handle = &self.handle;
        match call {
            Call::Start => {
                let options = WorkflowStartOptions::new("orders", "order-1").build();
                self.client.start_workflow(Order::run, "a lamp".to_owned(), options).await?;
            }
            Call::Signal => handle.signal(Order::approve, "Ada".to_owned(), WorkflowSignalOptions::default()).await?,
            Call::Query => {
                handle.query(Order::stage, (), WorkflowQueryOptions::default()).await?;
            }
            Call::ExecuteUpdate => {
                let options = WorkflowExecuteUpdateOptions::default();
                handle.execute_update(Order::rename, "a torch".to_owned(), options).await?;
            }
            Call::Describe => {
                handle.describe(WorkflowDescribeOptions::default()).await?;
            }
            Call::Result => {
                handle.get_result(WorkflowGetResultOptions::default()).await?;
            }
            Call::FetchHistory => {
                handle.fetch_history(WorkflowFetchHistoryOptions::default()).into_events().await?;
            }
            Call::Cancel => handle.cancel(WorkflowCancelOptions::builder().reason("late").build()).await?,
            Call::Terminate => handle.terminate(WorkflowTerminateOptions::builder().reason("stuck").build()).await?,
        }
        Ok(())
    }
}
