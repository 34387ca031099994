//! This project's client under measurement.

use evertide_client::{Client, Compression, Transport, WorkflowHandle};

use super::fake;
use crate::{Call, Caller, Way};

pub(crate) struct Ours {
    client: Client,
    handle: WorkflowHandle,
}

impl Ours {
    pub(crate) async fn connect(way: &Way) -> anyhow::Result<Self> {
        let connect = match way {
            Way::Socket(address) => Client::connect(address.to_string()),
            Way::InProcess => Client::connect_with(Transport::new(fake::in_process())).compression(Compression::None),
        };
        let client = connect.await?;
        let handle = client.get_workflow_handle("order-1");
        Ok(Self { client, handle })
    }

    pub(crate) fn handle_size() -> usize {
        size_of::<WorkflowHandle>()
    }
}

impl Caller for Ours {
    async fn call(&self, call: Call) -> anyhow::Result<()> {
        match call {
            Call::Start => {
                self.client.start_workflow("Order").id("order-1").task_queue("orders").arg("a lamp").await?;
            }
            Call::Signal => self.handle.signal("approve").arg("Ada").await?,
            Call::Query => {
                let _: String = self.handle.query("stage").await?;
            }
            Call::ExecuteUpdate => {
                let _: String = self.handle.execute_update("rename").arg("a torch").await?;
            }
            Call::Describe => {
                self.handle.describe().await?;
            }
            Call::Result => {
                let _: String = self.handle.result().await?;
            }
            Call::FetchHistory => {
                self.handle.fetch_history().await?;
            }
            Call::Cancel => self.handle.cancel().reason("late").await?,
            Call::Terminate => self.handle.terminate().reason("stuck").await?,
        }
        Ok(())
    }
}
