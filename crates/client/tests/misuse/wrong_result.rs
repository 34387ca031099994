use evertide_client::{WorkflowHandle, query};

query!(State = "state", () -> String);

async fn run(order: WorkflowHandle) -> evertide_client::Result<u32> {
    order.query(State).await
}

fn main() {}
