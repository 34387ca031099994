#![deny(unused_must_use)]
use evertide_client::WorkflowHandle;

async fn run(order: WorkflowHandle) {
    order.cancel();
}

fn main() {}
