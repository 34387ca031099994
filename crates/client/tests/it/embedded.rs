//! The client against the real server, in process and through a socket.

use evertide_client::{Client, Transport};
use evertide_server::{RunningServer, Server};
use tokio::task::JoinHandle;

use super::tour;

/// A server with a worker.
struct House {
    client: Client,
    worker: JoinHandle<evertide_client::Result<()>>,
    server: RunningServer,
}

impl House {
    async fn in_process() -> Self {
        let server = Server::builder().start().await.unwrap();
        let client = Client::connect_with(Transport::new(server.service())).await.unwrap();
        Self::open(server, client)
    }

    async fn on_a_socket() -> Self {
        let server = Server::builder().listen(([127, 0, 0, 1], 0).into()).start().await.unwrap();
        let address = server.local_addr().unwrap();
        let client = Client::connect(address.to_string()).await.unwrap();
        Self::open(server, client)
    }

    fn open(server: RunningServer, client: Client) -> Self {
        let worker = tokio::spawn(tour::worker::run(client.clone(), tour::QUEUE.to_owned()));
        Self { client, worker, server }
    }

    async fn close(self) {
        assert!(!self.worker.is_finished(), "the worker gave up: {:?}", self.worker.await);
        self.worker.abort();
        self.server.shutdown().await;
    }
}

#[tokio::test]
async fn the_tour_works_in_process() {
    let house = House::in_process().await;
    tour::everything(&house.client).await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn the_tour_works_through_a_socket() {
    let house = House::on_a_socket().await;
    tour::everything(&house.client).await.unwrap();
    house.close().await;
}
