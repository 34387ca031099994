//! TLS and mTLS.

mod refusal;

pub(crate) use refusal::advice;

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::error::{Error, ErrorKind, Result};

/// Certificates of a TLS connection. The default trusts what the operating system trusts.
///
/// They are looked at when the connection is awaited, and what is wrong with them is
/// [`ErrorKind::InvalidArgument`]. A server that cannot be trusted, or that does not trust this client, is
/// [`ErrorKind::Connect`], with advice in the chain of sources.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use evertide_client::{Client, Tls};
///
/// let tls = Tls::new().server_name("evertide.internal").server_ca_cert(std::fs::read("ca.pem")?);
/// let tls = tls.client_cert(std::fs::read("client.pem")?).client_key(std::fs::read("client.key")?);
/// let client = Client::connect("10.0.0.7:7233").tls(tls).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    server_name: Option<String>,
    server_ca_cert: Option<Vec<u8>>,
    client_cert: Option<Vec<u8>>,
    client_key: Option<Vec<u8>>,
}

impl Tls {
    /// TLS with the roots of the operating system.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that the server's certificate is checked against, instead of the host of the address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Trusts this certificate authority only, given in PEM.
    pub fn server_ca_cert(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.server_ca_cert = Some(pem.into());
        self
    }

    /// The client's certificate for mTLS, given in PEM. Goes with a key.
    pub fn client_cert(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_cert = Some(pem.into());
        self
    }

    /// The key of the client's certificate, given in PEM.
    pub fn client_key(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_key = Some(pem.into());
        self
    }

    fn config(self) -> Result<ClientTlsConfig> {
        let mut config = ClientTlsConfig::new();
        config = match self.server_ca_cert {
            Some(pem) => config.ca_certificate(authority(pem)?),
            None => config.with_enabled_roots(),
        };
        if let Some(name) = self.server_name {
            ServerName::try_from(name.as_str())
                .map_err(|_| Error::invalid(format!("{name:?} is not a name that a server's certificate can have")))?;
            config = config.domain_name(name);
        }
        match (self.client_cert, self.client_key) {
            (Some(cert), Some(key)) => Ok(config.identity(identity(&cert, &key)?)),
            (None, None) => Ok(config),
            _ => Err(Error::invalid("a client certificate needs its key and a key its certificate; give both")),
        }
    }
}

/// Certificates to trust. Without this look at them, what cannot be read would be passed over and nothing be trusted.
fn authority(pem: Vec<u8>) -> Result<Certificate> {
    let unreadable = || Error::invalid("the certificate of the server's authority cannot be read; give it in PEM");
    let mut trusted = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&pem) {
        trusted.add(cert.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
    }
    match trusted.is_empty() {
        true => Err(unreadable()),
        false => Ok(Certificate::from_pem(pem)),
    }
}

fn identity(cert: &[u8], key: &[u8]) -> Result<Identity> {
    CertificateDer::from_pem_slice(cert)
        .map_err(|_| Error::invalid("the certificate of the client cannot be read; give it in PEM"))?;
    PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| Error::invalid("the key of the client cannot be read; give it in PEM, not encrypted"))?;
    Ok(Identity::from_pem(cert, key))
}

/// Keys stay out of logs.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .field("server_ca_cert", &self.server_ca_cert.is_some())
            .field("client_cert", &self.client_cert.is_some())
            .finish_non_exhaustive()
    }
}

/// An endpoint with TLS where the address, the key or the caller asks for it.
pub(super) fn endpoint(address: &str, secure: bool, tls: Option<Tls>) -> Result<Endpoint> {
    let (endpoint, secure) = super::connect::parse_address(address, secure || tls.is_some())?;
    if !secure {
        return match tls {
            Some(_) => Err(Error::invalid(format!("{address:?} begins with http://, yet TLS is asked for"))),
            None => Ok(endpoint),
        };
    }
    endpoint.tls_config(tls.unwrap_or_default().config()?).map_err(unusable)
}

/// What is still wrong with certificates that can be read.
fn unusable(error: tonic::transport::Error) -> Error {
    let message = match refusal::cause(&error) {
        Some(rustls::Error::InconsistentKeys(_)) => "the key of the client does not belong to its certificate",
        Some(_) => "the certificate and the key of the client cannot be used",
        None => {
            "TLS cannot be set up; where the operating system has no root certificates, name the server's authority with \
             Tls::server_ca_cert or TEMPORAL_TLS_SERVER_CA_CERT_PATH"
        }
    };
    Error::with_source(ErrorKind::InvalidArgument(message.to_owned()), error)
}
