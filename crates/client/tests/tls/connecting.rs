//! What is trusted, what is refused, and what is said then.

use evertide_client::{Client, Connect, Error, ErrorKind, Tls};

use super::authority::Authority;
use super::server::TlsServer;

fn connect(server: &TlsServer, host: &str, tls: Tls) -> Connect {
    Client::connect(server.at(host)).tls(tls)
}

/// The error of a connection that must not come about.
async fn refusal(connect: Connect) -> Error {
    connect.await.expect_err("the connection should have been refused")
}

#[track_caller]
fn says(error: &Error, words: &[&str]) {
    let told = format!("{error:#}");
    for word in words {
        assert!(told.contains(word), "{word:?} is missing in: {told}");
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign("localhost"));
    for address in [server.at("localhost"), format!("https://{}", server.at("localhost"))] {
        let client = Client::connect(address).tls(Tls::new().server_ca_cert(&*authority.cert)).await.unwrap();
        client.get_workflow_handle("w").signal("s").await.unwrap();
    }
    assert_eq!(server.keys(), [None, None, None, None]);
}

#[tokio::test]
async fn several_authorities_may_stand_in_one_file() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let bundle = format!("the old one\n{}\nthe new one\n{}", old.cert, new.cert);
    for authority in [old, new] {
        let server = TlsServer::start(&authority.sign("localhost"));
        connect(&server, "localhost", Tls::new().server_ca_cert(&*bundle)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_may_be_known_by_another_name_than_its_address() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign("evertide.test"));
    let trusting = || Tls::new().server_ca_cert(&*authority.cert);
    connect(&server, "127.0.0.1", trusting().server_name("evertide.test")).await.unwrap();

    let error = refusal(connect(&server, "127.0.0.1", trusting())).await;
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error:?}");
    says(&error, &["not for 127.0.0.1", "server_name", "TEMPORAL_TLS_SERVER_NAME"]);
}

#[tokio::test]
async fn another_authority_is_refused_with_advice() {
    let server = TlsServer::start(&Authority::new("theirs").sign("localhost"));
    let error = refusal(connect(&server, "localhost", Tls::new().server_ca_cert(Authority::new("ours").cert))).await;
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error:?}");
    says(&error, &["authority that is not trusted", "server_ca_cert", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"]);
}

#[tokio::test]
async fn a_certificate_that_is_too_old_is_refused_with_advice() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign_expired("localhost"));
    let error = refusal(connect(&server, "localhost", Tls::new().server_ca_cert(&*authority.cert))).await;
    says(&error, &["expired", "renew"]);
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let server = TlsServer::start_mutual(&authority.sign("localhost"), &clients);
    let shown = clients.sign("a client");
    let tls = Tls::new().server_ca_cert(&*authority.cert).client_cert(&*shown.cert).client_key(&*shown.key);
    let client = connect(&server, "localhost", tls).await.unwrap();
    client.get_workflow_handle("w").signal("s").await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_to_show_one() {
    let authority = Authority::new("ours");
    let server = TlsServer::start_mutual(&authority.sign("localhost"), &Authority::new("clients"));
    let trusting = || Tls::new().server_ca_cert(&*authority.cert);
    let error = refusal(connect(&server, "localhost", trusting())).await;
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error:?}");
    says(&error, &["asks for a certificate of the client", "client_cert", "TEMPORAL_TLS_CLIENT_CERT_PATH"]);

    let lazy = connect(&server, "localhost", trusting()).lazy().await.unwrap();
    let error = lazy.get_workflow_handle("w").signal("s").await.unwrap_err();
    says(&error, &["asks for a certificate of the client"]);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_taken() {
    let authority = Authority::new("ours");
    let server = TlsServer::start_mutual(&authority.sign("localhost"), &Authority::new("clients"));
    let shown = Authority::new("strangers").sign("a stranger");
    let tls = Tls::new().server_ca_cert(&*authority.cert).client_cert(&*shown.cert).client_key(&*shown.key);
    let error = refusal(connect(&server, "localhost", tls)).await;
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error:?}");
    says(&error, &["does not accept the certificate of the client"]);
}

#[tokio::test]
async fn an_api_key_goes_through_tls() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign("localhost"));
    let tls = Tls::new().server_ca_cert(&*authority.cert);
    let client = connect(&server, "localhost", tls).api_key("secret").await.unwrap();
    client.get_workflow_handle("w").signal("s").await.unwrap();
    let key = Some("Bearer secret".to_owned());
    assert_eq!(server.keys(), [key.clone(), key]);
}

/// A key must not go over the wire in the open just because nobody said `https`.
#[tokio::test]
async fn an_api_key_asks_for_tls_by_itself() {
    let server = TlsServer::start(&Authority::new("ours").sign("localhost"));
    let error = refusal(Client::connect(server.at("localhost")).api_key("secret")).await;
    says(&error, &["authority that is not trusted"]);
    assert_eq!(server.keys(), []);
}

#[tokio::test]
async fn tls_and_plain_do_not_mix() {
    let authority = Authority::new("ours");
    let server = TlsServer::start(&authority.sign("localhost"));
    let tls = Tls::new().server_ca_cert(&*authority.cert);
    let error = refusal(Client::connect(format!("http://{}", server.at("localhost"))).tls(tls)).await;
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_gone() {
    let server = TlsServer::start_plain();
    let error = refusal(connect(&server, "localhost", Tls::new().server_ca_cert(Authority::new("ours").cert))).await;
    assert!(matches!(error.kind(), ErrorKind::Connect), "{error:?}");
    says(&error, &["does not speak TLS", "http://"]);
}

#[tokio::test]
async fn what_is_no_certificate_is_told_before_anything_is_sent() {
    let authority = Authority::new("ours");
    let signed = authority.sign("a client");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (Tls::new().server_ca_cert("garbage"), "server's authority"),
        (Tls::new().server_ca_cert(""), "server's authority"),
        (Tls::new().server_ca_cert(&*signed.key), "server's authority"),
        (Tls::new().server_ca_cert(broken), "server's authority"),
        (Tls::new().client_cert("garbage").client_key(&*signed.key), "certificate of the client"),
        (Tls::new().client_cert(&*signed.cert).client_key("garbage"), "key of the client"),
        (Tls::new().client_cert(&*signed.cert).client_key(&*signed.cert), "key of the client"),
        (Tls::new().client_cert(&*signed.cert), "needs its key"),
        (Tls::new().client_key(&*signed.key), "needs its key"),
        (Tls::new().client_cert(&*signed.cert).client_key(authority.sign("other").key), "does not belong to"),
        (Tls::new().server_name("not a name"), "\"not a name\""),
    ];
    for (tls, word) in cases {
        let error = refusal(Client::connect("localhost:1").tls(tls.clone())).await;
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument(_)), "{tls:?}: {error:?}");
        says(&error, &[word]);
    }
}
