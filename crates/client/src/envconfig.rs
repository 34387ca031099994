//! The configuration of clients by environment and file, as all Temporal SDKs and the CLI read it.
//!
//! The file is TOML with a table for each profile:
//!
//! ```toml
//! [profile.default]
//! address = "localhost:7233"
//! namespace = "default"
//!
//! [profile.production]
//! address = "evertide.example:7233"
//! api_key = "..."
//! [profile.production.tls]
//! server_ca_cert_path = "/etc/ssl/evertide.pem"
//! [profile.production.grpc_meta]
//! x-team = "orders"
//! ```
//!
//! | variable | overrides |
//! |---|---|
//! | `TEMPORAL_CONFIG_FILE` | where the file is; otherwise `temporalio/temporal.toml` in the user's configuration |
//! | `TEMPORAL_PROFILE` | which profile to use; otherwise `default` |
//! | `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY` | the same of the profile |
//! | `TEMPORAL_TLS` | `true` or `false` |
//! | `TEMPORAL_TLS_SERVER_NAME` | the name to check the server's certificate against |
//! | `TEMPORAL_TLS_{SERVER_CA_CERT,CLIENT_CERT,CLIENT_KEY}_{PATH,DATA}` | certificates, as a file or as PEM |
//! | `TEMPORAL_GRPC_META_<KEY>` | metadata; an empty value removes it |

mod file;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::PathBuf;

use crate::client::{Client, Connect};
use crate::error::{Error, ErrorKind, Result};

/// The profile that is used when none is named.
const DEFAULT_PROFILE: &str = "default";
/// The server that is used when no address is given.
const DEFAULT_ADDRESS: &str = "localhost:7233";

impl Client {
    /// Connects as the environment and the profile file say.
    ///
    /// ```no_run
    /// # async fn run() -> evertide_client::Result<()> {
    /// let client = evertide_client::Client::from_environment()?.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if they cannot be read.
    pub fn from_environment() -> Result<Connect> {
        LoadOptions::new().load()?.connect()
    }
}

/// One profile: how to reach a server.
///
/// ```
/// use evertide_client::envconfig::ClientConfigProfile;
///
/// let mut profile = ClientConfigProfile::default();
/// profile.address = Some("evertide.example:7233".to_owned());
/// profile.namespace = Some("orders".to_owned());
/// profile.grpc_meta.insert("x-team".to_owned(), "orders".to_owned());
/// let connect = profile.connect()?.identity("billing-3");
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConfigProfile {
    /// The address of the server, as [`Client::connect`] takes it. `localhost:7233` if there is none.
    pub address: Option<String>,
    /// The namespace to work in. `default` if there is none.
    pub namespace: Option<String>,
    /// The API key. It asks for TLS unless `tls` says otherwise.
    pub api_key: Option<String>,
    /// TLS; its mere presence asks for it.
    pub tls: Option<ClientConfigTls>,
    /// Metadata for every request, by keys in lower case.
    pub grpc_meta: BTreeMap<String, String>,
}

/// The TLS part of a profile.
///
/// ```
/// use evertide_client::envconfig::{DataSource, LoadOptions};
///
/// let text = "[profile.default.tls]\nserver_name = 'evertide.internal'\nserver_ca_cert_path = 'ca.pem'";
/// let profile = LoadOptions::new().config_text(text).disable_env().load()?;
/// let tls = profile.tls.unwrap();
/// assert_eq!(tls.server_name.as_deref(), Some("evertide.internal"));
/// assert_eq!(tls.server_ca_cert, Some(DataSource::Path("ca.pem".into())));
/// assert_eq!((tls.disabled, tls.client_cert), (None, None));
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConfigTls {
    /// Whether TLS is off in spite of everything else. None is no.
    pub disabled: Option<bool>,
    /// The name that the server's certificate is checked against. The host of the address if there is none.
    pub server_name: Option<String>,
    /// The authority to trust, in PEM. Those of the operating system if there is none.
    pub server_ca_cert: Option<DataSource>,
    /// The client's certificate, in PEM. Goes with a key.
    pub client_cert: Option<DataSource>,
    /// The key of that certificate, in PEM.
    pub client_key: Option<DataSource>,
}

/// A certificate or a key.
///
/// ```
/// use evertide_client::envconfig::DataSource;
///
/// let key = DataSource::Data(b"secret".to_vec());
/// assert_eq!(format!("{key:?}"), "Data(6 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum DataSource {
    /// In a file.
    Path(PathBuf),
    /// As it is.
    Data(Vec<u8>),
}

/// Keys stay out of logs.
impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
        }
    }
}

impl fmt::Debug for ClientConfigProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfigProfile")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("api_key", &self.api_key.as_ref().map(|_| "..."))
            .field("tls", &self.tls)
            .field("grpc_meta", &self.grpc_meta.keys())
            .finish()
    }
}

/// Where a profile comes from.
///
/// ```
/// use evertide_client::envconfig::LoadOptions;
///
/// let text = "[profile.production]\naddress = 'evertide.example:7233'\nnamespace = 'orders'";
/// let options = LoadOptions::new().config_text(text).profile("production").strict();
/// let options = options.environment([("TEMPORAL_NAMESPACE".to_owned(), "billing".to_owned())]);
/// let profile = options.load()?;
/// assert_eq!(profile.address.as_deref(), Some("evertide.example:7233"));
/// assert_eq!(profile.namespace.as_deref(), Some("billing"), "the environment goes over the file");
/// assert_eq!(options.load_all()?["production"].namespace.as_deref(), Some("orders"));
/// # Ok::<(), evertide_client::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    profile: Option<String>,
    source: Option<Source>,
    disable_file: bool,
    disable_env: bool,
    strict: bool,
    environment: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
enum Source {
    Path(PathBuf),
    Text(String),
}

impl LoadOptions {
    /// The user's file, with this process's environment over it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which profile to use. It must exist. If none is named it is that of `TEMPORAL_PROFILE`, and without that
    /// `default`, which need not exist.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Reads this file instead of the user's. One that is not there is one without profiles.
    ///
    /// ```
    /// use evertide_client::envconfig::LoadOptions;
    ///
    /// let profile = LoadOptions::new().config_file("no/such/file.toml").disable_env().load()?;
    /// assert_eq!(profile.address, None, "a file that is not there has no profiles");
    /// # Ok::<(), evertide_client::Error>(())
    /// ```
    #[must_use]
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Some(Source::Path(path.into()));
        self
    }

    /// Reads this text instead of a file.
    #[must_use]
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.source = Some(Source::Text(text.into()));
        self
    }

    /// Reads no file.
    ///
    /// ```
    /// use evertide_client::envconfig::LoadOptions;
    ///
    /// let environment = [("TEMPORAL_ADDRESS".to_owned(), "evertide.example:7233".to_owned())];
    /// let profile = LoadOptions::new().disable_file().environment(environment).load()?;
    /// assert_eq!(profile.address.as_deref(), Some("evertide.example:7233"));
    /// # Ok::<(), evertide_client::Error>(())
    /// ```
    #[must_use]
    pub fn disable_file(mut self) -> Self {
        self.disable_file = true;
        self
    }

    /// Lets the environment override nothing.
    #[must_use]
    pub fn disable_env(mut self) -> Self {
        self.disable_env = true;
        self
    }

    /// Refuses keys that are not known.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Reads these variables instead of the process's own.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// Reads one profile.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the file is not as it should be, or the profile that was named is missing.
    pub fn load(&self) -> Result<ClientConfigProfile> {
        if self.disable_file && self.disable_env {
            return Err(refused("Cannot disable both file and environment; nothing would be left to read"));
        }
        let mut profiles = self.load_all()?;
        let named = self.profile.clone().or_else(|| match self.disable_env {
            true => None,
            false => self.variable("TEMPORAL_PROFILE"),
        });
        let mut profile = match &named {
            Some(name) => match profiles.remove(name) {
                Some(profile) => profile,
                None if self.disable_file => ClientConfigProfile::default(),
                None => {
                    return Err(refused(format!("Profile '{name}' not found in the configuration file")));
                }
            },
            None => profiles.remove(DEFAULT_PROFILE).unwrap_or_default(),
        };
        if !self.disable_env {
            self.apply_environment(&mut profile)?;
        }
        Ok(profile)
    }

    /// Reads all profiles of the file, without the environment's overrides.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the file is not as it should be.
    pub fn load_all(&self) -> Result<BTreeMap<String, ClientConfigProfile>> {
        let text = match &self.source {
            _ if self.disable_file => None,
            Some(Source::Text(text)) => Some(text.clone()),
            Some(Source::Path(path)) => read_file(path)?,
            None => match self.default_file() {
                Some(path) => read_file(&path)?,
                None => None,
            },
        };
        text.map_or_else(|| Ok(BTreeMap::new()), |text| file::parse(&text, self.strict))
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.environment {
            Some(variables) => variables.get(name).cloned(),
            None => env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }

    fn default_file(&self) -> Option<PathBuf> {
        if let Some(path) = self.variable("TEMPORAL_CONFIG_FILE") {
            return Some(path.into());
        }
        let directory = if cfg!(target_os = "windows") {
            PathBuf::from(self.variable("APPDATA")?)
        } else if cfg!(target_os = "macos") {
            PathBuf::from(self.variable("HOME")?).join("Library/Application Support")
        } else {
            match self.variable("XDG_CONFIG_HOME") {
                Some(directory) => PathBuf::from(directory),
                None => PathBuf::from(self.variable("HOME")?).join(".config"),
            }
        };
        Some(directory.join("temporalio").join("temporal.toml"))
    }

    fn apply_environment(&self, profile: &mut ClientConfigProfile) -> Result<()> {
        for (name, field) in [
            ("TEMPORAL_ADDRESS", &mut profile.address),
            ("TEMPORAL_NAMESPACE", &mut profile.namespace),
            ("TEMPORAL_API_KEY", &mut profile.api_key),
        ] {
            if let Some(value) = self.variable(name) {
                *field = Some(value);
            }
        }
        self.apply_tls(profile)?;
        for (name, value) in self.grpc_meta_variables() {
            match value.is_empty() {
                true => profile.grpc_meta.remove(&name),
                false => profile.grpc_meta.insert(name, value),
            };
        }
        Ok(())
    }

    fn apply_tls(&self, profile: &mut ClientConfigProfile) -> Result<()> {
        let mut tls = profile.tls.clone().unwrap_or_default();
        if let Some(value) = self.variable("TEMPORAL_TLS") {
            tls.disabled = Some(!parse_bool("TEMPORAL_TLS", &value)?);
        }
        if let Some(name) = self.variable("TEMPORAL_TLS_SERVER_NAME") {
            tls.server_name = Some(name);
        }
        self.apply_source("SERVER_CA_CERT", &mut tls.server_ca_cert)?;
        self.apply_source("CLIENT_CERT", &mut tls.client_cert)?;
        self.apply_source("CLIENT_KEY", &mut tls.client_key)?;
        if profile.tls.is_some() || tls != ClientConfigTls::default() {
            profile.tls = Some(tls);
        }
        Ok(())
    }

    /// A certificate of the environment replaces one of the same kind. The other kind would leave it open which counts.
    fn apply_source(&self, which: &str, source: &mut Option<DataSource>) -> Result<()> {
        let what = match which {
            "CLIENT_KEY" => "key",
            "CLIENT_CERT" => "cert",
            _ => "server CA cert",
        };
        let path_name = format!("TEMPORAL_TLS_{which}_PATH");
        let data_name = format!("TEMPORAL_TLS_{which}_DATA");
        if let Some(path) = self.variable(&path_name) {
            if matches!(source, Some(DataSource::Data(_))) {
                return Err(refused(format!(
                    "Cannot specify {what} path via {path_name} when {what} data is already specified"
                )));
            }
            *source = Some(DataSource::Path(path.into()));
        }
        if let Some(data) = self.variable(&data_name) {
            if matches!(source, Some(DataSource::Path(_))) {
                return Err(refused(format!(
                    "Cannot specify {what} data via {data_name} when {what} path is already specified"
                )));
            }
            *source = Some(DataSource::Data(data.into_bytes()));
        }
        Ok(())
    }

    fn grpc_meta_variables(&self) -> Vec<(String, String)> {
        const PREFIX: &str = "TEMPORAL_GRPC_META_";
        let key = |name: &str| name.strip_prefix(PREFIX).map(normalize_key);
        match &self.environment {
            Some(variables) => variables.iter().filter_map(|(name, value)| Some((key(name)?, value.clone()))).collect(),
            None => env::vars_os()
                .filter_map(|(name, value)| Some((key(name.to_str()?)?, value.into_string().ok()?)))
                .collect(),
        }
    }
}

/// A file that does not exist is one without profiles.
fn read_file(path: &std::path::Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("the configuration file {} cannot be read", path.display());
            Err(Error::with_source(ErrorKind::Configuration(message), error))
        }
    }
}

/// Metadata keys are lower case with hyphens, which variables cannot say.
fn normalize_key(key: &str) -> String {
    key.to_lowercase().replace('_', "-")
}

fn parse_bool(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(refused(format!("{name} is {value:?}, where true or false was expected"))),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration(message.into()))
}

impl ClientConfigProfile {
    /// A connection as the profile says, to which more options can be added.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if a certificate cannot be read, or TLS is asked for and this crate was built
    /// without its feature `tls`.
    pub fn connect(&self) -> Result<Connect> {
        let address = self.address.as_deref().unwrap_or(DEFAULT_ADDRESS);
        let disabled = self.tls.as_ref().and_then(|tls| tls.disabled) == Some(true);
        let address = match disabled && !address.contains("://") {
            true => format!("http://{address}"),
            false => address.to_owned(),
        };
        let mut connect = Client::connect(address);
        if let Some(namespace) = &self.namespace {
            connect = connect.namespace(namespace.as_str());
        }
        if let Some(key) = &self.api_key {
            connect = connect.api_key(key);
        }
        for (key, value) in &self.grpc_meta {
            connect = connect.rpc_metadata(key, value);
        }
        match &self.tls {
            Some(tls) if !disabled => with_tls(connect, tls),
            _ => Ok(connect),
        }
    }
}

#[cfg(feature = "tls")]
fn with_tls(connect: Connect, config: &ClientConfigTls) -> Result<Connect> {
    let read = |source: &DataSource| match source {
        DataSource::Data(data) => Ok(data.clone()),
        DataSource::Path(path) => std::fs::read(path).map_err(|error| {
            let message = format!("the certificate or key {} cannot be read", path.display());
            Error::with_source(ErrorKind::Configuration(message), error)
        }),
    };
    let mut tls = crate::client::Tls::new();
    if let Some(name) = &config.server_name {
        tls = tls.server_name(name);
    }
    if let Some(source) = &config.server_ca_cert {
        tls = tls.server_ca_cert(read(source)?);
    }
    if let Some(source) = &config.client_cert {
        tls = tls.client_cert(read(source)?);
    }
    if let Some(source) = &config.client_key {
        tls = tls.client_key(read(source)?);
    }
    Ok(connect.tls(tls))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Connect, _: &ClientConfigTls) -> Result<Connect> {
    Err(refused("the profile asks for TLS; build evertide-client with its feature `tls`"))
}

#[cfg(test)]
mod tests;
