//! TLS and mTLS.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::error::{Error, ErrorKind, Result};

/// Certificates of a TLS connection. The default trusts what the operating system trusts.
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
            Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
            None => config.with_enabled_roots(),
        };
        if let Some(name) = self.server_name {
            config = config.domain_name(name);
        }
        match (self.client_cert, self.client_key) {
            (Some(cert), Some(key)) => Ok(config.identity(Identity::from_pem(cert, key))),
            (None, None) => Ok(config),
            _ => Err(Error::invalid("a client certificate needs its key and a key its certificate; give both")),
        }
    }
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
    endpoint
        .tls_config(tls.unwrap_or_default().config()?)
        .map_err(|error| Error::with_source(ErrorKind::Connect, error))
}
