use evertide_client::{WorkflowHandle, signal};

signal!(Approve = "approve", ());

async fn run(order: WorkflowHandle) -> evertide_client::Result<()> {
    order.query(Approve).await
}

fn main() {}
