//! Servers for tests of workflows, in the test's own process: months pass in milliseconds.
//!
//! ```
//! # use std::time::Duration;
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use evertide_testing::WorkflowEnvironment;
//!
//! let env = WorkflowEnvironment::start_time_skipping().await?;
//! // A worker of the official SDK is connected with `env.service()`, or with `env.local_addr()` after `listen`.
//! let order = env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
//! env.sleep(Duration::from_secs(30 * 24 * 3600)).await?; // It waits for its payment in vain.
//! let outcome: String = order.result().await?; // Time skips on while this waits.
//! # Ok(())
//! # }
//! ```
//!
//! There are two kinds. [`WorkflowEnvironment::start_time_skipping`] has one clock for all workflows, which is locked at
//! first: it goes at the world's pace, except while a test [sleeps](WorkflowEnvironment::sleep) or waits for the result
//! of a workflow that it has started. Then it jumps from one thing that is due to the next, as long as no worker has
//! anything to do. So a schedule that never ends spins no clock while nobody waits, and whoever waits for something that
//! only a further run of it would bring sees each of its times in order. The clock goes to the end of the year 2199: what
//! is due later never comes, and the log says so.
//!
//! [`WorkflowEnvironment::start_local`] has the world's time. A workflow of its own may skip time there:
//! [`WorkflowEnvironment::fast_forward`] lets one workflow live through a length of time at once.
//!
//! Environments have nothing in common: many may be in one process, in tests side by side.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use evertide_client::proto::common::{FastForwardConfig, TimeSkippingConfig, WorkflowExecution};
use evertide_client::proto::enums::FastForwardPollingResult as Polled;
use evertide_client::proto::prost_types::FieldMask;
use evertide_client::proto::workflow::WorkflowExecutionOptions;
use evertide_client::proto::workflowservice::{
    PollWorkflowExecutionTimeSkippingRequest, UpdateWorkflowExecutionOptionsRequest,
};
use evertide_client::{AutoTimeSkippingDisabled, Client, Connect, Transport, WorkflowHandle};
use evertide_server::server::Wire;
use evertide_server::{RunningServer, Server, ServerBuilder, StartError, TimeSkipping};

/// The setting that lets workflows skip time by themselves.
const WORKFLOW_TIME_SKIPPING: &str = "frontend.WorkflowTimeSkippingEnabled";

/// What can go wrong with an environment.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
/// use std::time::Duration;
///
/// use evertide_testing::{Error, WorkflowEnvironment};
///
/// let env = WorkflowEnvironment::start_local().await?;
/// let order = env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let error = env.fast_forward(&order, Duration::MAX).await.unwrap_err();
/// assert!(matches!(error, Error::FastForward { .. }), "that is longer than the protocol can say");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server refuses, or cannot be reached.
    #[error(transparent)]
    Client(#[from] evertide_client::Error),
    /// A fast-forward did not come to its end.
    #[error("the fast-forward of workflow {workflow_id} did not come to its end: {reason}")]
    FastForward {
        /// The workflow.
        workflow_id: String,
        /// What the server says.
        reason: String,
    },
}

/// Shorthand of this crate's results.
///
/// ```
/// use evertide_testing::{Result, WorkflowEnvironment};
///
/// async fn begin() -> Result<WorkflowEnvironment> {
///     let env = WorkflowEnvironment::start_time_skipping().await?;
///     env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
///     Ok(env)
/// }
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// A server for tests and a client of it. Dropping it stops the server.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
/// use std::time::Duration;
///
/// use evertide_testing::WorkflowEnvironment;
///
/// const MONTH: Duration = Duration::from_secs(30 * 86_400);
///
/// let env = WorkflowEnvironment::start_time_skipping().await?;
/// let begin = env.get_current_time().await?;
/// env.sleep(MONTH).await?;
/// assert!(env.get_current_time().await? >= begin + MONTH);
/// env.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WorkflowEnvironment {
    server: RunningServer,
    client: Client,
    skips_time: bool,
}

/// An environment that is to be started: await it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
/// use evertide_testing::WorkflowEnvironment;
///
/// let start = WorkflowEnvironment::start_local().server(|server| server.namespace("orders"));
/// let env = start.listen(([127, 0, 0, 1], 0).into()).await?;
/// assert!(env.local_addr().is_some());
/// let client = env.connect().namespace("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing starts before this is awaited"]
pub struct Start {
    server: ServerBuilder,
    skips_time: bool,
}

impl WorkflowEnvironment {
    /// A server with one clock for all workflows, which jumps while a test waits.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_time_skipping().await?;
    /// assert!(env.supports_time_skipping());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_time_skipping() -> Start {
        Start { server: Server::builder().time_skipping(TimeSkipping::Locked), skips_time: true }
    }

    /// A server with the world's time, on which single workflows may skip time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// assert!(!env.supports_time_skipping(), "time skips for single workflows only");
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_local() -> Start {
        Start { server: Server::builder().dynamic_config(WORKFLOW_TIME_SKIPPING, "true"), skips_time: false }
    }

    /// A client in the namespace `default`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// let order = env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A further client, to be set up as it is wanted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// let client = env.connect().identity("billing-3").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self) -> Connect {
        let connect = Client::connect_with(Transport::new(self.server.service()));
        if self.skips_time { connect.time_skipping() } else { connect }
    }

    /// The services of the server, for workers in this process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_client::{Client, Transport};
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// // What takes a service over HTTP requests takes this one, such as a worker's connection.
    /// let client = Client::connect_with(Transport::new(env.service())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service(&self) -> Wire {
        self.server.service()
    }

    /// Where the server listens; none unless it was told to.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.server.local_addr()
    }

    /// Whether there is one clock for all workflows, which jumps.
    #[must_use]
    pub fn supports_time_skipping(&self) -> bool {
        self.skips_time
    }

    /// The time on the server's clock.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn get_current_time(&self) -> Result<SystemTime> {
        Ok(self.client.server_time().await?)
    }

    /// Lets time pass: at once where it skips, else by waiting.
    ///
    /// # Errors
    /// The server's clock does not go that far.
    pub async fn sleep(&self, length: Duration) -> Result<()> {
        if self.skips_time {
            self.client.skip_time(length).await?;
        } else {
            tokio::time::sleep(length).await;
        }
        Ok(())
    }

    /// Keeps time at the world's pace until the guard is dropped, also while results are waited for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_time_skipping().await?;
    /// let guard = env.auto_time_skipping_disabled();
    /// // Results are waited for at the world's pace here.
    /// drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    pub fn auto_time_skipping_disabled(&self) -> AutoTimeSkippingDisabled {
        self.client.disable_auto_time_skipping()
    }

    /// Lets one workflow live through a length of time at once, and waits until it has, across the runs of its chain. Its
    /// clock is ahead of the world's from then on; it goes at the world's pace again.
    ///
    /// ```no_run
    /// # async fn run() -> evertide_testing::Result<()> {
    /// use std::time::Duration;
    ///
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// // A worker of the queue "orders" is needed too.
    /// let order = env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// env.fast_forward(&order, Duration::from_secs(30 * 86_400)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The workflow has ended before, or does not skip time because this server's time skips for all.
    pub async fn fast_forward<W>(&self, workflow: &WorkflowHandle<W>, length: Duration) -> Result<()> {
        let id = uuid::Uuid::new_v4().to_string();
        let duration = length.try_into().map_err(|_| Error::FastForward {
            workflow_id: workflow.id().to_owned(),
            reason: format!("{length:?} is too long"),
        })?;
        let fast_forward = FastForwardConfig { id: id.clone(), duration: Some(duration) };
        self.configure(workflow, Some(fast_forward)).await?;
        loop {
            let request = PollWorkflowExecutionTimeSkippingRequest {
                namespace: self.client.namespace().to_owned(),
                workflow_execution: execution(workflow),
                fast_forward_id: id.clone(),
            };
            let polled = self.client.call(request).await?;
            match polled.fast_forward_polling_result() {
                Polled::PollTimeout => {}
                Polled::FastForwardCompleted => return Ok(()),
                Polled::Unspecified | Polled::FastForwardFailed => {
                    let workflow_id = workflow.id().to_owned();
                    return Err(Error::FastForward { workflow_id, reason: polled.failed_reason });
                }
            }
        }
    }

    /// Lets one workflow skip time from now on, whenever it only waits.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> evertide_testing::Result<()> {
    /// use evertide_testing::WorkflowEnvironment;
    ///
    /// let env = WorkflowEnvironment::start_local().await?;
    /// let order = env.client().start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// env.skip_time_of(&order).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The workflow has ended, or this server's time skips for all.
    pub async fn skip_time_of<W>(&self, workflow: &WorkflowHandle<W>) -> Result<()> {
        self.configure(workflow, None).await
    }

    async fn configure<W>(&self, workflow: &WorkflowHandle<W>, fast_forward: Option<FastForwardConfig>) -> Result<()> {
        let config =
            TimeSkippingConfig { enabled: true, fast_forward_config: fast_forward, ..TimeSkippingConfig::default() };
        let options =
            WorkflowExecutionOptions { time_skipping_config: Some(config), ..WorkflowExecutionOptions::default() };
        let request = UpdateWorkflowExecutionOptionsRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: execution(workflow),
            workflow_execution_options: Some(options),
            update_mask: Some(FieldMask { paths: vec!["time_skipping_config".to_owned()] }),
            ..UpdateWorkflowExecutionOptionsRequest::default()
        };
        self.client.call(request).await?;
        Ok(())
    }

    /// Stops the server, which answers first whoever waits.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// The current run of a handle's workflow.
fn execution<W>(workflow: &WorkflowHandle<W>) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow.id().to_owned(), run_id: String::new() })
}

impl Start {
    /// Serves on this address as well. Port 0 takes a free one: see [`WorkflowEnvironment::local_addr`].
    pub fn listen(self, address: SocketAddr) -> Self {
        self.server(|server| server.listen(address))
    }

    /// Sets up the server: namespaces, search attributes, limits.
    pub fn server(mut self, set_up: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        self.server = set_up(self.server);
        self
    }

    async fn start(self) -> Result<WorkflowEnvironment> {
        let server = self.server.start().await?;
        let connect = Client::connect_with(Transport::new(server.service()));
        let client = if self.skips_time { connect.time_skipping().await? } else { connect.await? };
        Ok(WorkflowEnvironment { server, client, skips_time: self.skips_time })
    }
}

impl IntoFuture for Start {
    type Output = Result<WorkflowEnvironment>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}
