//! Why a connection was refused by TLS, and what to do about it.

use std::error::Error as StdError;
use std::io;

use rustls::{CertificateError, Error, InvalidMessage};

/// The error of TLS in a chain of sources.
pub(super) fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    chain(error).find_map(|error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error.downcast_ref().or_else(|| wrapped?.downcast_ref())
    })
}

/// What to do about an error, if it is one of TLS that patience does not mend.
pub(crate) fn advice(error: &(dyn StdError + 'static)) -> Option<String> {
    match cause(error) {
        Some(Error::InvalidCertificate(error)) => Some(about_the_server(error)),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Some(
            "the server does not speak TLS; begin the address with http://, or set TEMPORAL_TLS to false".to_owned(),
        ),
        _ => about_the_client(&alert(error)?),
    }
}

/// The alert that the server sent, by its name. One that comes after the handshake goes through HTTP/2, which keeps no more
/// than the text.
fn alert(error: &(dyn StdError + 'static)) -> Option<String> {
    chain(error).find_map(|error| error.to_string().strip_prefix("received fatal alert: ").map(str::to_owned))
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn about_the_server(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by an authority that is not trusted; name the authority's certificate with \
             Tls::server_ca_cert or TEMPORAL_TLS_SERVER_CA_CERT_PATH"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!(
                "the server's certificate is not for {}, but for {}; say by which name to know the server with \
                 Tls::server_name or TEMPORAL_TLS_SERVER_NAME",
                expected.to_str(),
                presented.join(", ")
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; renew it, and check the clock of this machine".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; check the clocks of both machines".to_owned()
        }
        error => format!("the server's certificate is refused: {error}"),
    }
}

/// What the server says about the client's certificate.
fn about_the_client(alert: &str) -> Option<String> {
    match alert {
        "CertificateRequired" => Some(
            "the server asks for a certificate of the client; give one with Tls::client_cert and Tls::client_key, or \
             TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
                .to_owned(),
        ),
        "UnknownCA"
        | "BadCertificate"
        | "UnsupportedCertificate"
        | "CertificateRevoked"
        | "CertificateExpired"
        | "CertificateUnknown"
        | "AccessDenied"
        | "DecryptError" => Some(format!(
            "the server does not accept the certificate of the client ({alert}); use one that is signed by an authority \
             that the server trusts"
        )),
        _ => None,
    }
}
