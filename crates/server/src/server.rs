//! A server in this process: a node on a store, with its services on a port, in process, or both.

mod connections;
mod reflection;
mod services;
mod settings;
mod wire;

pub use services::Services;
pub use wire::{Answering, Wire};

use crate::clock::{Clock, SystemClock};
use crate::frontend::{Frontend, ServerFacts, UnregisteredNamespace};
use crate::node::{Node, NodeOptions};
use evertide_engine::Limits;
use evertide_engine::limits::Ineffective;
use evertide_engine::visibility::AttributeType;
use evertide_store::{MemoryStore, Store, StoreError};
use evertide_store_sqlite::{SqliteOptions, SqliteStore};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How much the store in memory holds, unless told otherwise.
const MEMORY_BUDGET_BYTES: usize = 512 * 1024 * 1024;
/// Connections that the kernel holds for the listener until they are accepted.
const BACKLOG: u32 = 1024;
/// How long open requests may take to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long closed runs of the namespaces made at the start are kept, nanoseconds.
const RETENTION_NS: i64 = 24 * 3600 * 1_000_000_000;
/// The namespace that is always there.
const DEFAULT_NAMESPACE: &str = "default";

/// The search attributes that Temporal's test server defines.
const TEST_SERVER_ATTRIBUTES: [(&str, AttributeType); 7] = [
    ("CustomBoolField", AttributeType::Bool),
    ("CustomDatetimeField", AttributeType::Datetime),
    ("CustomDoubleField", AttributeType::Double),
    ("CustomIntField", AttributeType::Int),
    ("CustomKeywordField", AttributeType::Keyword),
    ("CustomStringField", AttributeType::Text),
    ("CustomTextField", AttributeType::Text),
];

/// Why a server could not be started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_server::{Server, StartError};
///
/// let first = Server::builder().listen(([127, 0, 0, 1], 0).into()).start().await?;
/// let taken = first.local_addr().ok_or("it listens")?;
/// match Server::builder().listen(taken).start().await {
///     Err(StartError::Listen { address, .. }) => assert_eq!(address, taken),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {address}: {source}; choose another port or stop the process that has it")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A description of the protocol cannot be served.
    #[error("the reflection service cannot be built: {0}")]
    Reflection(String),
}

/// Where a server keeps its state.
#[derive(Clone)]
enum Keep {
    Memory,
    File(PathBuf),
    Store(Arc<dyn Store>),
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Store(_) => f.write_str("Store"),
        }
    }
}

/// How a server is to be started. Without further words it keeps everything in memory and listens nowhere.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use evertide_server::Server;
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("evertide.db");
/// let server = Server::builder().db_file(&file).namespace("orders").retention(Duration::from_secs(3 * 86_400));
/// let server = server.dynamic_config("limit.maxIDLength", "200").listen(([127, 0, 0, 1], 0).into());
/// let server = server.start().await?;
/// println!("listening on {:?}", server.local_addr());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ServerBuilder {
    keep: Keep,
    memory_budget_bytes: usize,
    clock: Arc<dyn Clock>,
    namespaces: Vec<String>,
    search_attributes: BTreeMap<String, AttributeType>,
    limits: Limits,
    ineffective: Vec<Ineffective>,
    listen: Option<SocketAddr>,
    retention_ns: i64,
    time_locks: Option<i64>,
    takes_any_namespace: bool,
}

/// Whether a server that skips time begins with its clock locked.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_proto::testservice::test_service_client::TestServiceClient;
/// use evertide_server::{Server, TimeSkipping};
///
/// let server = Server::builder().time_skipping(TimeSkipping::Unlocked).start().await?;
/// let time = TestServiceClient::new(server.service()).get_current_time(()).await?.into_inner().time;
/// assert!(time.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSkipping {
    /// Time goes at the world's pace until a client unlocks it, as clients of test servers expect.
    Locked,
    /// Time jumps from the start whenever nothing is to be done.
    Unlocked,
}

/// A server that can be built: see [`Server::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_server::Server;
///
/// let server = Server::builder().start().await?;
/// assert_eq!(server.local_addr(), None, "it serves this process only");
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Server;

impl Server {
    /// Begins the description of a server.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            keep: Keep::Memory,
            memory_budget_bytes: MEMORY_BUDGET_BYTES,
            clock: Arc::new(SystemClock::default()),
            namespaces: vec![DEFAULT_NAMESPACE.to_owned()],
            search_attributes: BTreeMap::new(),
            limits: Limits::default(),
            listen: None,
            retention_ns: RETENTION_NS,
            time_locks: None,
            ineffective: Vec::new(),
            takes_any_namespace: false,
        }
    }
}

impl ServerBuilder {
    /// Keeps everything in this store.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use evertide_server::Server;
    /// use evertide_store::MemoryStore;
    ///
    /// let server = Server::builder().store(Arc::new(MemoryStore::new())).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.keep = Keep::Store(store);
        self
    }

    /// Keeps everything in this file, which is made if it is not there.
    #[must_use]
    pub fn db_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keep = Keep::File(path.into());
        self
    }

    /// How much workflows may take in memory, in bytes, if no file keeps them; 512 MiB unless this is called. Beyond that
    /// those that closed first are removed before their retention is over, and the log says so.
    #[must_use]
    pub fn memory_budget_bytes(mut self, memory_budget_bytes: usize) -> Self {
        self.memory_budget_bytes = memory_budget_bytes;
        self
    }

    /// Takes the time from this clock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use evertide_server::Server;
    /// use evertide_server::clock::ManualClock;
    ///
    /// let clock = Arc::new(ManualClock::at(0));
    /// let server = Server::builder().clock(clock.clone()).start().await?;
    /// clock.advance_ns(3_600_000_000_000); // An hour.
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes this namespace, besides `default`, if it is not there yet.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.namespaces.contains(&name) {
            self.namespaces.push(name);
        }
        self
    }

    /// Defines a search attribute in the namespaces named here and in `default`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use evertide_server::{AttributeType, Server};
    ///
    /// let server = Server::builder().search_attribute("CustomerId", AttributeType::Keyword).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn search_attribute(mut self, name: impl Into<String>, kind: AttributeType) -> Self {
        self.search_attributes.insert(name.into(), kind);
        self
    }

    /// Sets a limit or a switch by the reference server's dynamic-config name; the value is JSON. What has no effect is told
    /// in the log when the server starts: a name that is not known, a value of another kind.
    #[must_use]
    pub fn dynamic_config(mut self, key: &str, value: &str) -> Self {
        self.ineffective.extend(self.limits.set(key, value).err());
        self
    }

    /// Makes a server that behaves like Temporal's test server where that differs from others: its search attributes are
    /// defined, a namespace that nobody has registered is made when it is first used, workers get no activities with the
    /// answer to a workflow task, and completion callbacks are not checked. Settings that are given later hold.
    #[must_use]
    pub fn like_temporal_test_server(mut self) -> Self {
        let fields = TEST_SERVER_ATTRIBUTES.into_iter().map(|(name, kind)| (name.to_owned(), kind));
        self.search_attributes.extend(fields);
        self.limits.activity_eager_execution = false;
        self.limits.callbacks_checked = false;
        self.takes_any_namespace = true;
        self
    }

    /// How long closed runs of the namespaces made at the start are kept. 24 hours if nothing is set.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention_ns = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
        self
    }

    /// Makes a server for tests, whose time jumps to the next thing that is due when nothing else is to be done. It begins
    /// with the time of the clock, whatever it has stored.
    #[must_use]
    pub fn time_skipping(mut self, begin: TimeSkipping) -> Self {
        self.time_locks = Some(match begin {
            TimeSkipping::Locked => 1,
            TimeSkipping::Unlocked => 0,
        });
        self
    }

    /// Serves on this address. Port 0 takes a free one: see [`RunningServer::local_addr`].
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Starts the server: when this returns it answers requests.
    ///
    /// # Errors
    /// [`StartError::Listen`] if the port is taken, [`StartError::Store`] if the store cannot be used.
    pub async fn start(self) -> Result<RunningServer, StartError> {
        // The port first: nothing has happened yet if it is taken.
        let listener = self.listen.map(listen).transpose()?;
        let local_addr = listener.as_ref().and_then(|l| l.local_addr().ok());
        self.ineffective.iter().for_each(settings::tell);
        let (store, persistence) = open_store(self.keep, self.memory_budget_bytes).await?;
        let attributes: BTreeMap<_, _> =
            self.search_attributes.into_iter().map(|(name, kind)| (name, kind.to_proto())).collect();
        let unregistered =
            UnregisteredNamespace { search_attributes: attributes.clone(), retention_ns: self.retention_ns };
        let options = NodeOptions {
            limits: self.limits,
            namespaces: self.namespaces,
            search_attributes: attributes,
            retention_ns: self.retention_ns,
            time_locks: self.time_locks,
            ..NodeOptions::default()
        };
        let node = Node::open(store, self.clock, options)?;
        let facts = ServerFacts {
            persistence: persistence.to_owned(),
            address: local_addr.map(|a| a.to_string()).unwrap_or_default(),
            unregistered_namespaces: self.takes_any_namespace.then_some(unregistered),
            ..ServerFacts::default()
        };
        let service = Wire::new(Services::new(Frontend::new(node.clone(), facts)).await?);
        let serving = listener.map(|listener| serve(listener, service.clone()));
        Ok(RunningServer { node, service, local_addr, serving })
    }
}

async fn open_store(keep: Keep, memory_budget_bytes: usize) -> Result<(Arc<dyn Store>, &'static str), StartError> {
    match keep {
        Keep::Memory => Ok((Arc::new(MemoryStore::with_budget(memory_budget_bytes)), "memory")),
        Keep::Store(store) => Ok((store, "custom")),
        Keep::File(path) => {
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path, &SqliteOptions::default())).await;
            let store = opened
                .map_err(|panic| StoreError::Unavailable { action: "open its file", reason: panic.to_string() })??;
            Ok((Arc::new(store), "sqlite"))
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // SDKs find a free port by binding it and letting go of it, which leaves it waiting for a while.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| StartError::Listen { address, source })
}

fn serve(listener: TcpListener, service: Wire) -> Serving {
    let (stop, stopped) = oneshot::channel::<()>();
    Serving { stop, task: tokio::spawn(connections::serve(listener, service, stopped)) }
}

/// The listener's task.
#[derive(Debug)]
struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A server that runs. Dropping it stops it, without waiting for open requests.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_proto::workflowservice::ListNamespacesRequest;
/// use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
/// use evertide_server::Server;
///
/// let server = Server::builder().listen(([127, 0, 0, 1], 0).into()).start().await?;
/// assert_ne!(server.local_addr().ok_or("it listens")?.port(), 0);
///
/// let mut client = WorkflowServiceClient::new(server.service());
/// let namespaces = client.list_namespaces(ListNamespacesRequest::default()).await?.into_inner().namespaces;
/// assert!(!namespaces.is_empty());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunningServer {
    node: Node,
    service: Wire,
    local_addr: Option<SocketAddr>,
    serving: Option<Serving>,
}

impl RunningServer {
    /// Where it listens; none if it serves in process only.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// The services for clients in this process, without a socket: a tower service over HTTP requests, which enforces
    /// `grpc-timeout` as a connection would.
    #[must_use]
    pub fn service(&self) -> Wire {
        self.service.clone()
    }

    /// Stops: new connections are refused, waiting polls and long polls are answered empty, what is decided is made
    /// durable. Takes no longer than two seconds.
    pub async fn shutdown(mut self) {
        let serving = self.serving.take();
        self.node.end_waits();
        if let Some(Serving { stop, mut task }) = serving {
            // The task may have ended by itself; then there is nobody to tell.
            let _ = stop.send(());
            if tokio::time::timeout(STOP_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        }
        self.node.stop().await;
    }
}
