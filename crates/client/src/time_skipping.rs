//! The time of a test server that skips it.
//!
//! Such a server starts with its time locked. While a handle waits for a result, time is unlocked, so that timers fire
//! as soon as nothing else is left to do.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use evertide_proto::testservice::{LockTimeSkippingRequest, SleepRequest, UnlockTimeSkippingRequest};

use crate::client::{Client, Shared};
use crate::error::{Error, Result};
use crate::failure::prost_duration;

/// How long it may take in the world to skip time: as long as workers have something to do on the way.
const LONGEST_SKIP: Duration = Duration::from_secs(3600);

/// Whether waiting for a result unlocks time, and how many guards forbid it at the moment.
#[derive(Debug, Default)]
pub(crate) struct AutoSkip {
    disabled: AtomicUsize,
}

/// Keeps time locked while it lives: see [`Client::disable_auto_time_skipping`].
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// let guard = client.disable_auto_time_skipping();
/// let receipt: String = order.result().await?; // This takes as long as it takes.
/// drop(guard);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "time stays locked only while the guard lives"]
pub struct AutoTimeSkippingDisabled(Option<Shared<AutoSkip>>);

impl Drop for AutoTimeSkippingDisabled {
    fn drop(&mut self) {
        if let Some(skip) = &self.0 {
            skip.reveal().disabled.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Client {
    /// Keeps `result()` from unlocking time until the guard is dropped.
    ///
    /// ```no_run
    /// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let _guard = client.disable_auto_time_skipping();
    /// let receipt: String = order.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn disable_auto_time_skipping(&self) -> AutoTimeSkippingDisabled {
        let skip = self.settings().time_skipping.clone();
        if let Some(skip) = &skip {
            skip.reveal().disabled.fetch_add(1, Ordering::Relaxed);
        }
        AutoTimeSkippingDisabled(skip)
    }

    /// Lets the server's time pass by a duration, at once as far as nothing else is to be done.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use evertide_client::{Client, Transport};
    /// use evertide_server::{Server, TimeSkipping};
    ///
    /// const MONTH: Duration = Duration::from_secs(30 * 86_400);
    ///
    /// let server = Server::builder().time_skipping(TimeSkipping::Locked).start().await?;
    /// let client = Client::connect_with(Transport::new(server.service())).time_skipping().await?;
    /// let begin = client.server_time().await?;
    /// client.skip_time(MONTH).await?;
    /// assert!(client.server_time().await?.duration_since(begin)? >= MONTH);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc) if the server does not skip time.
    pub async fn skip_time(&self, duration: Duration) -> Result<()> {
        let request = SleepRequest { duration: prost_duration(duration) };
        self.call(request).rpc_timeout(LONGEST_SKIP).await.map(drop)
    }

    /// The time on the server's clock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::SystemTime;
    ///
    /// use evertide_client::{Client, Transport};
    /// use evertide_server::{Server, TimeSkipping};
    ///
    /// let server = Server::builder().time_skipping(TimeSkipping::Locked).start().await?;
    /// let client = Client::connect_with(Transport::new(server.service())).await?;
    /// assert!(client.server_time().await? > SystemTime::UNIX_EPOCH);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Rpc`](crate::ErrorKind::Rpc) if the server does not skip time.
    pub async fn server_time(&self) -> Result<SystemTime> {
        let time = self.call(()).await?.time.ok_or_else(|| Error::protocol("the server's time is missing"))?;
        SystemTime::try_from(time).map_err(|error| Error::protocol(error.to_string()))
    }

    /// Runs something with time unlocked, and locks it again also when that fails or is dropped.
    pub(crate) async fn with_time_unlocked<T>(&self, wait: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let skips = self.settings().time_skipping.as_ref();
        if skips.is_none_or(|skip| skip.reveal().disabled.load(Ordering::Relaxed) > 0) {
            return wait.await;
        }
        self.call(UnlockTimeSkippingRequest {}).await?;
        let mut relock = Relock(Some(self.clone()));
        let result = wait.await;
        relock.0 = None;
        let locked = self.call(LockTimeSkippingRequest {}).await;
        match (result, locked) {
            (Ok(value), locked) => locked.map(|_| value),
            (Err(error), Ok(_)) => Err(error),
            (Err(error), Err(not_locked)) => {
                tracing::error!(%not_locked, "could not lock time again");
                Err(error)
            }
        }
    }
}

/// Locks time again when the wait was dropped in the middle.
struct Relock(Option<Client>);

impl Drop for Relock {
    fn drop(&mut self) {
        let Some(client) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = client.call(LockTimeSkippingRequest {}).await {
                    tracing::error!(%error, "could not lock time again");
                }
            });
        }
    }
}
