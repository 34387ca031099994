use evertide_client::WorkflowHandle;
use evertide_client::temporalio::Run;
use evertide_client::temporalio::common::{SignalDefinition, WorkflowDefinition};

macro_rules! workflow_of_the_sdk {
    ($name:ident) => {
        struct $name;

        impl WorkflowDefinition for $name {
            type Input = ();
            type Output = ();
            fn name(&self) -> &str {
                stringify!($name)
            }
        }
    };
}

workflow_of_the_sdk!(Order);
workflow_of_the_sdk!(Invoice);

struct Approve;

impl SignalDefinition for Approve {
    type Workflow = Order;
    type Input = String;
    fn name(&self) -> &str {
        "approve"
    }
}

async fn run(invoice: WorkflowHandle<Run<Invoice>>) -> evertide_client::Result<()> {
    invoice.signal(Approve).await
}

fn main() {}
