use evertide_client::{WorkflowHandle, signal};

signal!(Approve = "approve", (String));

async fn run(order: WorkflowHandle) -> evertide_client::Result<()> {
    order.signal(Approve).arg(&7).await
}

fn main() {}
