use std::path::PathBuf;

use super::{ClientConfigProfile, ClientConfigTls, DataSource, LoadOptions};

const TWO_PROFILES: &str = r#"
[profile.default]
address = "default-address"
namespace = "default-namespace"

[profile.custom]
address = "custom-address"
namespace = "custom-namespace"
api_key = "custom-api-key"
[profile.custom.tls]
server_name = "custom-server-name"
[profile.custom.grpc_meta]
Custom_Header = "custom-value"
"#;

fn with(text: &str, variables: &[(&str, &str)]) -> LoadOptions {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    LoadOptions::new().config_text(text).environment(variables)
}

fn load(text: &str, variables: &[(&str, &str)]) -> ClientConfigProfile {
    with(text, variables).load().unwrap()
}

fn refusal(options: &LoadOptions) -> String {
    let error = options.load().unwrap_err();
    assert!(matches!(error.kind(), crate::ErrorKind::Configuration(_)));
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {source}")
}

#[test]
fn the_default_profile_is_read_unless_another_is_named() {
    let profile = load(TWO_PROFILES, &[]);
    assert_eq!(profile.address.as_deref(), Some("default-address"));
    assert_eq!((profile.tls, profile.api_key), (None, None));

    for profile in [
        with(TWO_PROFILES, &[]).profile("custom").load().unwrap(),
        load(TWO_PROFILES, &[("TEMPORAL_PROFILE", "custom")]),
    ] {
        assert_eq!(profile.namespace.as_deref(), Some("custom-namespace"));
        assert_eq!(profile.tls.unwrap().server_name.as_deref(), Some("custom-server-name"));
        assert_eq!(profile.grpc_meta["custom-header"], "custom-value", "keys are lower case with hyphens");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let variables = [
        ("TEMPORAL_ADDRESS", "env-address"),
        ("TEMPORAL_NAMESPACE", "env-namespace"),
        ("TEMPORAL_API_KEY", "env-key"),
        ("TEMPORAL_TLS_SERVER_NAME", "env-server"),
        ("TEMPORAL_GRPC_META_CUSTOM_HEADER", ""),
        ("TEMPORAL_GRPC_META_NEW_HEADER", "new"),
    ];
    let profile = with(TWO_PROFILES, &variables).profile("custom").load().unwrap();
    assert_eq!(profile.address.as_deref(), Some("env-address"));
    assert_eq!(profile.namespace.as_deref(), Some("env-namespace"));
    assert_eq!(profile.api_key.as_deref(), Some("env-key"));
    assert_eq!(profile.tls.unwrap().server_name.as_deref(), Some("env-server"));
    assert_eq!(profile.grpc_meta.into_iter().collect::<Vec<_>>(), [("new-header".to_owned(), "new".to_owned())]);

    let untouched = with(TWO_PROFILES, &variables).disable_env().load().unwrap();
    assert_eq!(untouched.address.as_deref(), Some("default-address"));
    let without_file = with("", &variables).disable_file().load().unwrap();
    assert_eq!(without_file.address.as_deref(), Some("env-address"));
}

#[test]
fn what_is_missing_is_an_error_only_if_it_was_named() {
    assert_eq!(load("[profile.other]\naddress = 'a'", &[]), ClientConfigProfile::default());
    assert!(refusal(&with(TWO_PROFILES, &[]).profile("missing")).contains("Profile 'missing' not found"));
    let no_file = LoadOptions::new().config_file("no/such/file.toml").environment([]);
    assert_eq!(no_file.load().unwrap(), ClientConfigProfile::default());
    assert!(refusal(&with("", &[]).disable_file().disable_env()).contains("Cannot disable both"));
}

#[test]
fn a_file_that_is_wrong_is_refused() {
    assert!(refusal(&with("this is not valid toml", &[])).contains("TOML parse error"));
    let unknown = "[profile.default]\naddress = 'a'\nunrecognized = 'b'";
    assert_eq!(load(unknown, &[]).address.as_deref(), Some("a"));
    assert!(refusal(&with(unknown, &[]).strict()).contains("unknown field `unrecognized`"));
    with(TWO_PROFILES, &[]).strict().load().unwrap();
}

#[test]
fn a_certificate_has_one_source() {
    let both = "[profile.default.tls]\nclient_cert_path = 'p'\nclient_cert_data = 'd'";
    assert!(refusal(&with(both, &[])).contains("Cannot specify both client_cert_path and client_cert_data"));

    let path = "[profile.default.tls]\nclient_cert_path = 'p'";
    let data = ("TEMPORAL_TLS_CLIENT_CERT_DATA", "d");
    assert!(
        refusal(&with(path, &[data]))
            .contains("Cannot specify cert data via TEMPORAL_TLS_CLIENT_CERT_DATA when cert path is already specified")
    );
    let in_file = "[profile.default.tls]\nclient_cert_data = 'd'";
    assert!(
        refusal(&with(in_file, &[("TEMPORAL_TLS_CLIENT_CERT_PATH", "p")]))
            .contains("Cannot specify cert path via TEMPORAL_TLS_CLIENT_CERT_PATH when cert data is already specified")
    );
    let replaced = load(path, &[("TEMPORAL_TLS_CLIENT_CERT_PATH", "other")]);
    assert_eq!(replaced.tls.unwrap().client_cert, Some(DataSource::Path(PathBuf::from("other"))));
}

#[test]
fn tls_is_on_off_or_not_said() {
    assert_eq!(load(TWO_PROFILES, &[]).tls, None);
    let on = ClientConfigTls { disabled: Some(false), ..ClientConfigTls::default() };
    assert_eq!(load(TWO_PROFILES, &[("TEMPORAL_TLS", "true")]).tls, Some(on));
    let off = load(TWO_PROFILES, &[("TEMPORAL_TLS", "0"), ("TEMPORAL_API_KEY", "key")]);
    assert_eq!(off.tls.as_ref().unwrap().disabled, Some(true));
    assert!(format!("{:?}", off.connect().unwrap()).contains("http://default-address"), "off is off, even with a key");
    assert!(refusal(&with("", &[("TEMPORAL_TLS", "perhaps")])).contains("perhaps"));
}

#[test]
fn the_file_is_found_by_its_variable_or_in_the_users_directory() {
    let at = |variables: &[(&str, &str)]| with("", variables).default_file().unwrap();
    assert_eq!(at(&[("TEMPORAL_CONFIG_FILE", "here.toml")]), PathBuf::from("here.toml"));
    if cfg!(target_os = "linux") {
        let home = at(&[("HOME", "home")]);
        assert_eq!(home, PathBuf::from("home/.config/temporalio/temporal.toml"));
        let xdg = at(&[("HOME", "home"), ("XDG_CONFIG_HOME", "config")]);
        assert_eq!(xdg, PathBuf::from("config/temporalio/temporal.toml"));
    }
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let text = "[profile.default]\napi_key = 'secret-key'\n[profile.default.tls]\nclient_key_data = 'secret-pem'";
    let profile = load(text, &[]);
    assert!(!format!("{profile:?}").contains("secret"));
}
