use evertide_client::{WorkflowHandle, update};

update!(Add = "add", (u32, u32) -> u32);

async fn run(order: WorkflowHandle) -> evertide_client::Result<u32> {
    order.execute_update(Add).args((1, 2, 3)).await
}

fn main() {}
