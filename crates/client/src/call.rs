//! What every call has in common: its deadlines, its metadata, and that it starts when it is awaited.

use std::future::Future;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, MetadataMap, MetadataValue};

use crate::error::{Error, ErrorKind, Result};

/// The options of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallOptions {
    /// Bounds the whole operation, with all its requests.
    pub(crate) timeout: Option<Duration>,
    /// The deadline of each single request.
    pub(crate) rpc_timeout: Option<Duration>,
    pub(crate) metadata: Metadata,
    /// What was wrong with an option, to be told when the call is awaited.
    pub(crate) refused: Option<Error>,
}

impl CallOptions {
    pub(crate) fn add_metadata(&mut self, key: &str, value: &[u8]) {
        if let Err(error) = self.metadata.add(key, value) {
            self.refused.get_or_insert(error);
        }
    }

    /// Runs an operation within its time, unless an option was wrong.
    pub(crate) async fn run<T>(&self, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.check()?;
        let Some(limit) = self.timeout else {
            return operation.await;
        };
        match tokio::time::timeout(limit, operation).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout { limit })),
        }
    }

    /// As [`run`](Self::run), for an update, whose wait has an error of its own.
    pub(crate) async fn run_update<T>(&self, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.run(operation).await.map_err(|error| match error.kind() {
            ErrorKind::Timeout { .. } => error.into_kind(ErrorKind::UpdateTimeoutOrCancelled),
            _ => error,
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// Whether a long poll that ran into its deadline is simply made again, because the caller bounded the whole
    /// operation instead.
    pub(crate) fn rearms(&self, error: &Error) -> bool {
        self.timeout.is_some() && error.code() == Some(tonic::Code::DeadlineExceeded)
    }
}

/// Metadata of a call or of a client. Keys that end in `-bin` carry bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata(Option<Box<MetadataMap>>);

impl Metadata {
    pub(crate) fn add(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let map = self.0.get_or_insert_default();
        let bad_key =
            |_| Error::invalid(format!("{key:?} is not a metadata key; use lower case letters, digits, -, _ and ."));
        if key.ends_with("-bin") {
            let name = key.parse::<BinaryMetadataKey>().map_err(bad_key)?;
            map.insert_bin(name, MetadataValue::from_bytes(value));
        } else {
            let name = key.parse::<AsciiMetadataKey>().map_err(bad_key)?;
            let value = MetadataValue::try_from(value).map_err(|_| {
                Error::invalid(format!(
                    "the value of metadata {key:?} is not printable ASCII; a key ending in -bin takes bytes"
                ))
            })?;
            map.insert(name, value);
        }
        Ok(())
    }

    /// Puts these entries over those of `target`.
    pub(crate) fn apply_to(&self, target: &mut MetadataMap) {
        let Some(map) = &self.0 else { return };
        for (name, value) in map.as_ref().as_ref() {
            target.as_mut().insert(name.clone(), value.clone());
        }
    }
}

/// The future of a call.
///
/// ```no_run
/// # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
/// use evertide_client::CallFuture;
///
/// let calls: Vec<CallFuture<()>> =
///     ["order-1", "order-2"].map(|id| client.get_workflow_handle(id).cancel().into_future()).into();
/// for call in calls {
///     call.await?;
/// }
/// # Ok(())
/// # }
/// ```
pub type CallFuture<T> = BoxFuture<'static, Result<T>>;

/// Gives a builder the setters that all calls share.
macro_rules! call_options {
    ($builder:ident $(<$($parameter:ident),*>)?) => {
        impl $(<$($parameter),*>)? $builder $(<$($parameter),*>)? {
            /// Bounds the whole operation, with every request, retry and long poll it takes. Without it the operation
            /// lasts as long as the server needs.
            pub fn timeout(mut self, limit: std::time::Duration) -> Self {
                self.options.timeout = Some(limit);
                self
            }

            /// Bounds each single request. The default is 30 s, and 70 s for requests that wait for something.
            pub fn rpc_timeout(mut self, limit: std::time::Duration) -> Self {
                self.options.rpc_timeout = Some(limit);
                self
            }

            /// Adds metadata to each request, over the client's own. A key that ends in `-bin` carries any bytes, all
            /// others printable ASCII; anything else ends the call with
            /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) before it is sent.
            pub fn rpc_metadata(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
                self.options.add_metadata(key.as_ref(), value.as_ref());
                self
            }
        }
    };
}
pub(crate) use call_options;

/// Makes a builder with a method `run` something that can be awaited.
macro_rules! into_future {
    ($builder:ident $(<$($parameter:ident: $bound:path),*>)? => $output:ty) => {
        impl $(<$($parameter: $bound),*>)? IntoFuture for $builder $(<$($parameter),*>)? {
            type Output = crate::error::Result<$output>;
            type IntoFuture = crate::call::CallFuture<$output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}
pub(crate) use into_future;
