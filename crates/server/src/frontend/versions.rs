//! Whether client and server are made for each other: SDKs tell their name and version, and which servers they support.

use evertide_engine::{Code, Detail, Rejection};
use semver::Version;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The reference's version whose behaviour this server has, and then its own. Clients compare the first part.
pub(super) const SERVER_VERSION: &str = concat!("1.32.0+evertide.", env!("CARGO_PKG_VERSION"));

/// Clients that are known, in ascending order, and the major version from which on they are too new.
pub(super) const SUPPORTED_CLIENTS: [(&str, u64); 8] = [
    ("Nexus-go-sdk", 2),
    ("temporal-cli", 2),
    ("temporal-go", 2),
    ("temporal-java", 2),
    ("temporal-php", 2),
    ("temporal-server", 2),
    ("temporal-typescript", 2),
    ("temporal-ui", 3),
];

/// How a range of versions below this major one is written.
pub(super) fn below(major: u64) -> String {
    format!("<{major}.0.0")
}

/// Checks what a client tells of itself. One that does not tell its name and its version is not checked.
///
/// # Errors
/// The client is too new for this server, or this server is none that it supports, or it cannot be read.
pub(super) fn check(client_name: &str, client_version: &str, supported_servers: &str) -> Result<(), Rejection> {
    if client_name.is_empty() || client_version.is_empty() {
        return Ok(());
    }
    let known = SUPPORTED_CLIENTS.iter().find(|(name, _)| *name == client_name);
    if let Some((_, too_new)) = known {
        let version = Version::parse(client_version)
            .map_err(|error| Rejection::invalid(format!("Unable to parse client version: {error}")))?;
        if version >= Version::new(*too_new, 0, 0) {
            return Err(client_not_supported(client_name, client_version, below(*too_new)));
        }
    }
    if supported_servers.is_empty() {
        return Ok(());
    }
    let supported = range(supported_servers)
        .map_err(|error| Rejection::invalid(format!("Unable to parse supported server versions: {error}")))?;
    let server = server_version();
    if supported.iter().any(|all| all.iter().all(|bound| bound.holds(&server))) {
        return Ok(());
    }
    Err(server_not_supported(&server, supported_servers))
}

/// The reference's version whose behaviour this server has.
fn server_version() -> Version {
    let version = SERVER_VERSION.split('+').next().and_then(|text| Version::parse(text).ok());
    version.unwrap_or(Version::new(1, 0, 0))
}

fn client_not_supported(client_name: &str, client_version: &str, supported_versions: String) -> Rejection {
    let message = format!(
        "Client version {client_version} is not supported. Server supports {client_name} versions: {supported_versions}"
    );
    let detail = Detail::ClientVersionNotSupported {
        client_version: client_version.to_owned(),
        client_name: client_name.to_owned(),
        supported_versions,
    };
    Rejection { code: Code::FailedPrecondition, message: message.into(), detail }
}

fn server_not_supported(server: &Version, supported: &str) -> Rejection {
    let message = format!("Server version {server} is not supported. Client supports server versions: {supported}");
    let detail = Detail::ServerVersionNotSupported {
        server_version: server.to_string(),
        client_supported_server_versions: supported.to_owned(),
    };
    Rejection { code: Code::FailedPrecondition, message: message.into(), detail }
}

/// A bound of a range: its orderings against a version are those that are meant.
#[derive(Debug)]
struct Bound {
    orderings: &'static [Ordering],
    version: Version,
}

impl Bound {
    fn new(orderings: &'static [Ordering], (major, minor, patch): (u64, u64, u64)) -> Self {
        Self { orderings, version: Version::new(major, minor, patch) }
    }

    fn holds(&self, version: &Version) -> bool {
        self.orderings.contains(&version.cmp_precedence(&self.version))
    }
}

const BELOW: &[Ordering] = &[Ordering::Less];
const FROM: &[Ordering] = &[Ordering::Equal, Ordering::Greater];

/// Reads a range of versions in the language of Go's `blang/semver`: `>=1.0.0 <2.0.0 || 3.1.x`. One of the alternatives is
/// to hold, with all its bounds.
fn range(text: &str) -> Result<Vec<Vec<Bound>>, Cow<'static, str>> {
    text.split("||").map(alternative).collect()
}

fn alternative(text: &str) -> Result<Vec<Bound>, Cow<'static, str>> {
    let mut bounds = Vec::new();
    let mut operator = String::new();
    for word in text.split_whitespace() {
        let digits = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
        let (signs, version) = word.split_at(digits);
        operator.push_str(signs);
        if !version.is_empty() {
            add_bounds(&std::mem::take(&mut operator), version, &mut bounds)?;
        }
    }
    match (operator.is_empty(), bounds.is_empty()) {
        (true, false) => Ok(bounds),
        _ => Err(format!("Could not get version from string: {text:?}").into()),
    }
}

fn add_bounds(operator: &str, text: &str, bounds: &mut Vec<Bound>) -> Result<(), Cow<'static, str>> {
    if text.ends_with(".x") {
        return add_wildcard(operator, text, bounds);
    }
    let orderings: &[Ordering] = match operator {
        "" | "=" | "==" => &[Ordering::Equal],
        "!" | "!=" => &[Ordering::Less, Ordering::Greater],
        ">" => &[Ordering::Greater],
        ">=" => FROM,
        "<" => BELOW,
        "<=" => &[Ordering::Less, Ordering::Equal],
        _ => return Err(format!("Could not parse comparator {operator:?} in \"{operator}{text}\"").into()),
    };
    let version = Version::parse(text)
        .map_err(|error| format!("Could not parse version {text:?} in \"{operator}{text}\": {error}"))?;
    bounds.push(Bound { orderings, version });
    Ok(())
}

/// `1.x`, `1.x.x` or `1.2.x`: all versions from the first to before the next.
fn add_wildcard(operator: &str, text: &str, bounds: &mut Vec<Bound>) -> Result<(), Cow<'static, str>> {
    let unreadable = || Cow::from(format!("Could not parse version {text:?}"));
    let numbers: Result<Vec<u64>, _> = text.split('.').take_while(|part| *part != "x").map(str::parse).collect();
    let (first, next) = match numbers.map_err(|_| unreadable())?[..] {
        [major] => ((major, 0, 0), (major.saturating_add(1), 0, 0)),
        [major, minor] => ((major, minor, 0), (major, minor.saturating_add(1), 0)),
        _ => return Err(unreadable()),
    };
    match operator {
        "" | "=" | "==" => bounds.extend([Bound::new(FROM, first), Bound::new(BELOW, next)]),
        ">" => bounds.push(Bound::new(FROM, next)),
        ">=" => bounds.push(Bound::new(FROM, first)),
        "<" => bounds.push(Bound::new(BELOW, first)),
        "<=" => bounds.push(Bound::new(BELOW, next)),
        _ => return Err(format!("Could not parse comparator {operator:?} in \"{operator}{text}\"").into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_are_known_must_not_be_too_new() {
        let told = |name, version| check(name, version, "").map_err(|refusal| (refusal.code, refusal.message));
        for (name, version) in [
            ("temporal-go", "1.35.0"),
            ("temporal-go", "2.0.0-alpha"),
            ("temporal-ui", "2.99.0"),
            ("temporal-python", "7"),
            ("temporal-go", ""),
            ("", "x"),
        ] {
            assert_eq!(told(name, version), Ok(()), "{name} {version}");
        }
        let (code, message) = told("temporal-java", "2.0.0").unwrap_err();
        assert_eq!(code, Code::FailedPrecondition);
        assert_eq!(message, "Client version 2.0.0 is not supported. Server supports temporal-java versions: <2.0.0");
        let (code, message) = told("temporal-java", "1.0").unwrap_err();
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.starts_with("Unable to parse client version: "), "{message}");
    }

    #[test]
    fn a_client_must_support_this_server() {
        let told = |range| check("any", "1", range).map_err(|refusal| refusal.code);
        for range in [
            "",
            ">=1.0.0 <2.0.0",
            ">= 1.0.0 < 2.0.0",
            "<1.0.0 || >1.31.9",
            "1.x",
            "1.x.x",
            "1.32.x",
            "<=1.32.x",
            ">1.31.x",
            "1.32.0",
            "!=1.0.0",
        ] {
            assert_eq!(told(range), Ok(()), "{range}");
        }
        for range in [">=2.0.0", "<1.0.0", "1.31.x", ">1.32.x", "<1.x", "!1.32.0", "1.32.1 || 1.33.x"] {
            assert_eq!(told(range), Err(Code::FailedPrecondition), "{range}");
        }
        for range in ["x", ">=", "1.0", "|| 1.0.0", "1.0.0 ||", "~1.0.0", ">=1.0.0 ="] {
            assert_eq!(told(range), Err(Code::InvalidArgument), "{range}");
        }
    }
}
