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

    /// Takes the tour. The worker never ends by itself, so its end is an error that must not turn into a wait.
    async fn tour(mut self) {
        tokio::select! {
            toured = tour::everything(&self.client) => toured.unwrap(),
            ended = &mut self.worker => panic!("the worker gave up: {ended:?}"),
        }
        self.worker.abort();
        self.server.shutdown().await;
    }
}

#[tokio::test]
async fn the_tour_works_in_process() {
    House::in_process().await.tour().await;
}

#[tokio::test]
async fn the_tour_works_through_a_socket() {
    House::on_a_socket().await.tour().await;
}
