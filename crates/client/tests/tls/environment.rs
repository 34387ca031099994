//! TLS as the environment and the profile file ask for it.

use evertide_client::envconfig::LoadOptions;
use evertide_client::{Client, ErrorKind, Result};

use super::authority::Authority;
use super::server::TlsServer;

/// Connects as these variables say, and nothing else does.
async fn connect(variables: &[(&str, &str)]) -> Result<Client> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    LoadOptions::new().disable_file().environment(variables).load()?.connect()?.await
}

#[tokio::test]
async fn certificates_come_from_variables_and_from_files() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let server = TlsServer::start_mutual(&authority.sign("evertide.test"), &clients);
    let (shown, address) = (clients.sign("a client"), server.at("127.0.0.1"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let by_data = [
        ("TEMPORAL_ADDRESS", address.as_str()),
        ("TEMPORAL_TLS_SERVER_NAME", "evertide.test"),
        ("TEMPORAL_TLS_SERVER_CA_CERT_DATA", &authority.cert),
        ("TEMPORAL_TLS_CLIENT_CERT_DATA", &shown.cert),
        ("TEMPORAL_TLS_CLIENT_KEY_DATA", &shown.key),
        ("TEMPORAL_API_KEY", "secret"),
    ];
    connect(&by_data).await.unwrap().get_workflow_handle("w").signal("s").await.unwrap();
    let by_path = [
        ("TEMPORAL_ADDRESS", address.as_str()),
        ("TEMPORAL_TLS_SERVER_NAME", "evertide.test"),
        ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", &file("ca.pem", &authority.cert)),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", &file("client.pem", &shown.cert)),
        ("TEMPORAL_TLS_CLIENT_KEY_PATH", &file("client.key", &shown.key)),
    ];
    connect(&by_path).await.unwrap().get_workflow_handle("w").signal("s").await.unwrap();
    let key = Some("Bearer secret".to_owned());
    assert_eq!(server.keys(), [key.clone(), key, None, None]);
}

#[tokio::test]
async fn a_profile_has_certificates_too() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign("localhost"));
    let profile = format!(
        "[profile.default]\naddress = '{}'\n[profile.default.tls]\nserver_ca_cert_data = '''{}'''",
        server.at("localhost"),
        authority.cert
    );
    let load = LoadOptions::new().config_text(profile).disable_env();
    load.load().unwrap().connect().unwrap().await.unwrap();
}

#[tokio::test]
async fn tls_is_on_by_the_key_alone_and_off_by_word() {
    let server = TlsServer::start(&Authority::new("ours").sign("localhost"));
    let address = server.at("localhost");
    let keyed = [("TEMPORAL_ADDRESS", address.as_str()), ("TEMPORAL_API_KEY", "secret")];
    for more in [&keyed[..], &[keyed[0], ("TEMPORAL_TLS", "true")]] {
        let error = connect(more).await.unwrap_err();
        assert!(format!("{error:#}").contains("authority that is not trusted"), "{error:#}");
    }
    let off = LoadOptions::new().disable_file().environment(
        [keyed[0], keyed[1], ("TEMPORAL_TLS", "false")].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let plain = off.load().unwrap().connect().unwrap().lazy().await;
    plain.expect("without TLS there is nothing to check before the first call");
    assert_eq!(server.keys(), []);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    for name in ["SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"] {
        let variable = format!("TEMPORAL_TLS_{name}_PATH");
        let error = connect(&[(&variable, "no/such/file.pem")]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error:?}");
        assert!(format!("{error:#}").contains("no/such/file.pem"), "{error:#}");
    }
}

#[tokio::test]
async fn a_file_with_something_else_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, [0xff, 0x00, 0x80]).unwrap();
    let error = connect(&[("TEMPORAL_TLS_SERVER_CA_CERT_PATH", path.to_str().unwrap())]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error:?}");
}
