//! The options of a connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evertide_proto::enums::QueryRejectCondition;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Endpoint;

use super::{Client, Settings};
use crate::call::{Metadata, into_future};
use crate::codec::PayloadCodec;
use crate::error::{Error, Result};
use crate::interceptor::Interceptor;
use crate::observer::RpcObserver;
use crate::retry::RetryOptions;
use crate::time_skipping::AutoSkip;
use crate::transport::{Compression, Connection, Transport};

/// How long to wait for the connection itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a connection is probed, also while nothing is asked.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long a probe may stay unanswered before the connection counts as lost.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);
/// The namespace that every server has.
const DEFAULT_NAMESPACE: &str = "default";

/// A connection that is being described; awaiting it makes it.
///
/// It must come about within 10 s. It is probed every 30 s, and counts as lost if a probe has no answer within 15 s. A
/// lost connection is made again by the next call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_client::{Client, Compression, RetryOptions, RpcReport};
///
/// let connect = Client::connect("http://evertide.example:7233").namespace("orders").identity("billing-3");
/// let connect = connect.rpc_metadata("x-team", "orders").api_key("secret").compression(Compression::None);
/// assert!(!format!("{connect:?}").contains("secret"));
/// let connect = connect.observer(|report: &RpcReport<'_>| println!("{report:?}")).retry(RetryOptions::none());
/// let client = connect.lazy().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a connection is made when it is awaited"]
pub struct Connect {
    target: Target,
    namespace: Arc<str>,
    api_key: Option<String>,
    metadata: Metadata,
    refused: Option<Error>,
    retry: RetryOptions,
    compression: Compression,
    observer: Option<Arc<dyn RpcObserver>>,
    settings: Settings,
    lazy: bool,
    #[cfg(feature = "tls")]
    tls: Option<super::Tls>,
}

#[derive(Debug)]
enum Target {
    Address(String),
    Transport(Transport),
}

impl Connect {
    pub(crate) fn to_address(address: String) -> Self {
        Self::new(Target::Address(address))
    }

    pub(crate) fn to_transport(transport: Transport) -> Self {
        Self::new(Target::Transport(transport))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            namespace: DEFAULT_NAMESPACE.into(),
            api_key: None,
            metadata: Metadata::default(),
            refused: None,
            retry: RetryOptions::default(),
            compression: Compression::default(),
            observer: None,
            settings: Settings {
                identity: default_identity().into(),
                codec: None,
                codec_for_headers: false,
                interceptors: Vec::new(),
                query_reject_condition: None,
                time_skipping: None,
            },
            lazy: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The namespace to work in. `default` if none is given; an empty one is refused.
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Who the requests are from. `pid@host` if nothing is given.
    pub fn identity(mut self, identity: impl Into<Arc<str>>) -> Self {
        self.settings.identity = identity.into();
        self
    }

    /// Sends `authorization: Bearer <key>` with every request, and uses TLS unless the address begins with `http://`.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sends metadata with every request. A key that ends in `-bin` carries any bytes, all others printable ASCII;
    /// anything else is [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when the builder is awaited.
    pub fn rpc_metadata(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        if let Err(error) = self.metadata.add(key.as_ref(), value.as_ref()) {
            self.refused.get_or_insert(error);
        }
        self
    }

    /// Uses TLS, with these certificates.
    ///
    /// ```no_run
    /// # async fn run() -> evertide_client::Result<()> {
    /// use evertide_client::{Client, Tls};
    ///
    /// let client = Client::connect("evertide.example:7233").tls(Tls::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: super::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects with the first call instead of now, so that only the address is checked here.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_client::{Client, ErrorKind, RetryOptions};
    ///
    /// let client = Client::connect("localhost:1").retry(RetryOptions::none()).lazy().await?;
    /// let error = client.get_workflow_handle("order-7").describe().await.unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Connect));
    /// # Ok(())
    /// # }
    /// ```
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// How failed calls are retried: up to ten times within ten seconds if nothing is set.
    pub fn retry(mut self, options: RetryOptions) -> Self {
        self.retry = options;
        self
    }

    /// When requests are compressed: from a kilobyte on if nothing is set.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Transforms payloads on their way out and in: see [`PayloadCodec`].
    pub fn codec(mut self, codec: impl PayloadCodec) -> Self {
        self.settings.codec = Some(Arc::new(codec));
        self
    }

    /// Lets headers pass the codec too. By default they are sent as they are.
    ///
    /// ```
    /// use evertide_client::Client;
    ///
    /// let connect = Client::connect("localhost:7233").codec_for_headers(true);
    /// ```
    pub fn codec_for_headers(mut self, yes: bool) -> Self {
        self.settings.codec_for_headers = yes;
        self
    }

    /// Adds an interceptor behind those that are there: see [`Interceptor`].
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.settings.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Is told of every request on the wire, for metrics: see [`RpcObserver`].
    pub fn observer(mut self, observer: impl RpcObserver) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The reject condition of queries that name none. Without it they are always delivered.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// use evertide_client::{Client, ErrorKind, QueryRejectCondition, Transport};
    ///
    /// let connect = Client::connect_with(Transport::new(server.service()));
    /// let client = connect.default_query_reject_condition(QueryRejectCondition::NotOpen).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// order.terminate().await?;
    /// let error = order.query::<String, _>("state").await.unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::QueryRejected { .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn default_query_reject_condition(mut self, condition: QueryRejectCondition) -> Self {
        self.settings.query_reject_condition = Some(condition);
        self
    }

    /// Lets the time of a time-skipping test server run while a handle from `start_workflow` waits for its result.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_client::{Client, Transport};
    /// use evertide_server::{Server, TimeSkipping};
    ///
    /// let server = Server::builder().time_skipping(TimeSkipping::Locked).start().await?;
    /// let client = Client::connect_with(Transport::new(server.service())).time_skipping().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn time_skipping(mut self) -> Self {
        self.settings.time_skipping = Some(Arc::new(AutoSkip::default()));
        self
    }

    async fn run(self) -> Result<Client> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        if self.namespace.is_empty() {
            return Err(Error::invalid("the namespace is empty; leave it out for the namespace \"default\""));
        }
        let mut metadata = MetadataMap::new();
        metadata.insert("client-name", MetadataValue::from_static("evertide-client"));
        metadata.insert("client-version", MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.api_key {
            let value = MetadataValue::try_from(format!("Bearer {key}"))
                .map_err(|_| Error::invalid("the API key is not printable ASCII"))?;
            metadata.insert("authorization", value);
        }
        self.metadata.apply_to(&mut metadata);
        let transport = match self.target {
            Target::Transport(transport) => transport,
            Target::Address(address) => {
                let secure = self.api_key.is_some();
                #[cfg(feature = "tls")]
                let endpoint = super::tls::endpoint(&address, secure, self.tls)?;
                #[cfg(not(feature = "tls"))]
                let endpoint = plain_endpoint(&address, secure)?;
                open(endpoint, self.lazy).await?
            }
        };
        let connection = Connection {
            transport,
            metadata,
            retry: self.retry,
            compression: self.compression,
            observer: self.observer,
        };
        let client = Client::new(connection, self.namespace, self.settings);
        if !self.lazy {
            client.system_info().await?;
        }
        Ok(client)
    }
}

into_future!(Connect => Client);

/// The API key stays out of logs.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("target", &self.target)
            .field("namespace", &self.namespace)
            .field("lazy", &self.lazy)
            .finish_non_exhaustive()
    }
}

async fn open(endpoint: Endpoint, lazy: bool) -> Result<Transport> {
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let channel = match lazy {
        true => endpoint.connect_lazy(),
        false => endpoint.connect().await.map_err(Error::connect)?,
    };
    Ok(Transport::new(channel))
}

/// The address as a URI, and whether it asks for TLS. An address without a scheme asks for it if `secure` says so.
pub(super) fn parse_address(address: &str, secure: bool) -> Result<(Endpoint, bool)> {
    let (uri, secure) = if address.starts_with("https://") {
        (address.to_owned(), true)
    } else if address.starts_with("http://") {
        (address.to_owned(), false)
    } else if secure {
        (format!("https://{address}"), true)
    } else {
        (format!("http://{address}"), false)
    };
    let endpoint = Endpoint::from_shared(uri)
        .map_err(|_| Error::invalid(format!("{address:?} is not an address; write host:port or http://host:port")))?;
    Ok((endpoint, secure))
}

#[cfg(not(feature = "tls"))]
fn plain_endpoint(address: &str, secure: bool) -> Result<Endpoint> {
    match parse_address(address, secure)? {
        (endpoint, false) => Ok(endpoint),
        (_, true) => Err(Error::invalid(format!(
            "connecting to {address:?} needs TLS; build evertide-client with its feature `tls`, or write http://"
        ))),
    }
}

/// Process and host, as all SDKs sign.
fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{}@{host}", std::process::id())
}
