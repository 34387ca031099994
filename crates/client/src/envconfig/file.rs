//! The profile file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ClientConfigProfile, ClientConfigTls, DataSource, normalize_key, refused};
use crate::error::{Error, ErrorKind, Result};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

#[derive(Deserialize)]
struct Profile {
    address: Option<String>,
    namespace: Option<String>,
    api_key: Option<String>,
    tls: Option<Tls>,
    #[serde(default)]
    grpc_meta: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Tls {
    disabled: Option<bool>,
    server_name: Option<String>,
    server_ca_cert_path: Option<PathBuf>,
    server_ca_cert_data: Option<String>,
    client_cert_path: Option<PathBuf>,
    client_cert_data: Option<String>,
    client_key_path: Option<PathBuf>,
    client_key_data: Option<String>,
}

/// What a profile may have. The parts that belong to codec servers are the CLI's alone.
const PROFILE_KEYS: [&str; 6] = ["address", "namespace", "api_key", "tls", "codec", "grpc_meta"];
const TLS_KEYS: [&str; 9] = [
    "disabled",
    "server_name",
    "disable_host_verification",
    "server_ca_cert_path",
    "server_ca_cert_data",
    "client_cert_path",
    "client_cert_data",
    "client_key_path",
    "client_key_data",
];

pub(super) fn parse(text: &str, strict: bool) -> Result<BTreeMap<String, ClientConfigProfile>> {
    let malformed = |error| {
        Error::with_source(ErrorKind::Configuration("the configuration file is not as it should be".into()), error)
    };
    if strict {
        refuse_unknown(&text.parse::<toml::Table>().map_err(malformed)?)?;
    }
    let file: File = toml::from_str(text).map_err(malformed)?;
    file.profile.into_iter().map(|(name, profile)| Ok((name, profile.into_config()?))).collect()
}

fn refuse_unknown(file: &toml::Table) -> Result<()> {
    check_keys(file, &["profile"])?;
    let profiles = file.get("profile").and_then(toml::Value::as_table);
    for profile in profiles.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table) {
        check_keys(profile, &PROFILE_KEYS)?;
        if let Some(tls) = profile.get("tls").and_then(toml::Value::as_table) {
            check_keys(tls, &TLS_KEYS)?;
        }
    }
    Ok(())
}

fn check_keys(table: &toml::Table, known: &[&str]) -> Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(refused(format!("unknown field `{key}`, expected one of {}", known.join(", ")))),
        None => Ok(()),
    }
}

impl Profile {
    fn into_config(self) -> Result<ClientConfigProfile> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ClientConfigProfile {
            address: some(self.address),
            namespace: some(self.namespace),
            api_key: some(self.api_key),
            tls: self.tls.map(Tls::into_config).transpose()?,
            grpc_meta: self.grpc_meta.into_iter().map(|(key, value)| (normalize_key(&key), value)).collect(),
        })
    }
}

impl Tls {
    fn into_config(self) -> Result<ClientConfigTls> {
        Ok(ClientConfigTls {
            disabled: self.disabled,
            server_name: self.server_name,
            server_ca_cert: one_of("server_ca_cert", self.server_ca_cert_path, self.server_ca_cert_data)?,
            client_cert: one_of("client_cert", self.client_cert_path, self.client_cert_data)?,
            client_key: one_of("client_key", self.client_key_path, self.client_key_data)?,
        })
    }
}

fn one_of(name: &str, path: Option<PathBuf>, data: Option<String>) -> Result<Option<DataSource>> {
    match (path, data) {
        (Some(_), Some(_)) => Err(refused(format!("Cannot specify both {name}_path and {name}_data"))),
        (Some(path), None) => Ok(Some(DataSource::Path(path))),
        (None, Some(data)) => Ok(Some(DataSource::Data(data.into_bytes()))),
        (None, None) => Ok(None),
    }
}
