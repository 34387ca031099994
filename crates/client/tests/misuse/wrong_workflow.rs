use evertide_client::{WorkflowHandle, query, workflow};

workflow!(Order = "Order", (String) -> u32);
query!(State = "state", () -> String);

async fn run(order: WorkflowHandle<Order>) -> evertide_client::Result<String> {
    order.query(State).await
}

fn main() {}
