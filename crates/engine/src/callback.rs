//! Completion callbacks: where they may go.

use crate::limits::Limits;
use crate::rejection::Rejection;
use evertide_proto::common::Callback;
use evertide_proto::common::callback::{Nexus, Variant};

/// The address of callbacks that stay within the system; a callback to it names what it completes in its headers.
const SYSTEM_URL: &str = "temporal://system";

/// Addresses that callbacks may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedAddress {
    /// Host and port as the address has them; `*` stands for any text.
    pub pattern: String,
    /// Whether `http` will do, and not `https` only.
    pub allow_insecure: bool,
}

impl AllowedAddress {
    fn matches(&self, host: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let Some(mut rest) = host.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// Checks the callbacks of a request: how many, how large, and where they go.
///
/// # Errors
/// There are too many, or one of them goes where none may go or where this server cannot take it.
pub(crate) fn check(callbacks: &[Callback], limits: &Limits) -> Result<(), Rejection> {
    if !limits.callbacks_checked {
        return Ok(());
    }
    if callbacks.len() > limits.callbacks_per_request {
        let most = limits.callbacks_per_request;
        return Err(Rejection::invalid(format!("cannot attach more than {most} callbacks to an execution")));
    }
    for callback in callbacks {
        match &callback.variant {
            Some(Variant::Nexus(nexus)) => check_nexus(nexus, limits)?,
            Some(Variant::Internal(_)) => {}
            Some(Variant::NexusHandler(_)) | None => {
                return Err(Rejection::unimplemented("this server knows no callbacks of this variant"));
            }
        }
    }
    Ok(())
}

fn check_nexus(nexus: &Nexus, limits: &Limits) -> Result<(), Rejection> {
    let most = limits.callback_url_bytes;
    if nexus.url.len() > most {
        return Err(Rejection::invalid(format!("invalid url: url length longer than max length allowed of {most}")));
    }
    check_url(&nexus.url, &limits.callback_addresses)?;
    let header_bytes: usize = nexus.header.iter().map(|(name, value)| name.len() + value.len()).sum();
    let most = limits.callback_header_bytes;
    if header_bytes > most {
        let text = format!("invalid header: header size longer than max allowed size of {most}");
        return Err(Rejection::invalid(text));
    }
    if nexus.url != SYSTEM_URL {
        // To take it and never to call it would be worse.
        let text = format!("completion callbacks to addresses are not delivered by this server yet: {}", nexus.url);
        return Err(Rejection::unimplemented(text));
    }
    Ok(())
}

/// Whether callbacks may go to this address: the system's own, or one that an operator has allowed.
fn check_url(url: &str, allowed: &[AllowedAddress]) -> Result<(), Rejection> {
    if url == SYSTEM_URL {
        return Ok(());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
        return Err(Rejection::invalid(format!("invalid url: unknown scheme: {url}")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() {
        return Err(Rejection::invalid("invalid url: missing host"));
    }
    let Some(rule) = allowed.iter().find(|rule| rule.matches(host)) else {
        let text = format!("invalid url: url does not match any configured callback address: {url}");
        return Err(Rejection::invalid(text));
    };
    if !is_secure && !rule.allow_insecure {
        let text = format!("invalid url: callback address does not allow insecure connections: {url}");
        return Err(Rejection::invalid(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Code;

    fn callback(url: &str) -> Callback {
        Callback { variant: Some(Variant::Nexus(Nexus { url: url.to_owned(), ..Nexus::default() })), links: Vec::new() }
    }

    fn limits(pattern: &str, allow_insecure: bool) -> Limits {
        let allowed = AllowedAddress { pattern: pattern.to_owned(), allow_insecure };
        Limits { callback_addresses: vec![allowed], ..Limits::default() }
    }

    fn refused(url: &str, limits: &Limits) -> (Code, String) {
        let refusal = check(&[callback(url)], limits).unwrap_err();
        (refusal.code, refusal.message.into_owned())
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let matches =
            |pattern: &str, host| AllowedAddress { pattern: pattern.to_owned(), allow_insecure: false }.matches(host);
        assert!(matches("*", "any.example:80"));
        assert!(matches("localhost:80", "localhost:80"));
        assert!(!matches("localhost", "localhost:80"));
        assert!(matches("prefix.*.example", "prefix.a.b.example"));
        assert!(!matches("prefix.*.example", "prefix.example"));
        assert!(matches("*a*a", "aa") && !matches("*a*a", "a"));
        assert!(!matches("a.b", "aXb"));
    }

    #[test]
    fn an_address_must_be_allowed_and_secure_unless_it_need_not() {
        let none = Limits::default();
        assert_eq!(check(&[callback("temporal://system")], &none), Ok(()));
        for (url, text) in [
            ("http://a/b", "invalid url: url does not match any configured callback address: http://a/b"),
            ("invalid-scheme://a", "invalid url: unknown scheme: invalid-scheme://a"),
            ("http:///path", "invalid url: missing host"),
        ] {
            assert_eq!(refused(url, &none), (Code::InvalidArgument, text.to_owned()));
        }
        let text = "invalid url: callback address does not allow insecure connections: http://some-host/x";
        assert_eq!(refused("http://some-host/x", &limits("some-*", false)), (Code::InvalidArgument, text.to_owned()));
        let foreign = refused("http://some-host@elsewhere/", &limits("some-*", true));
        assert_eq!(foreign.0, Code::InvalidArgument);
    }

    #[test]
    fn what_cannot_be_delivered_is_refused_even_if_it_is_allowed() {
        assert_eq!(refused("http://some-host/x", &limits("*", true)).0, Code::Unimplemented);
        let unchecked = Limits { callbacks_checked: false, ..Limits::default() };
        assert_eq!(check(&[callback("http://some-host/x")], &unchecked), Ok(()));
    }

    #[test]
    fn callbacks_have_a_number_and_a_size() {
        let few = Limits { callbacks_per_request: 1, ..Limits::default() };
        let two = vec![callback(SYSTEM_URL); 2];
        assert_eq!(check(&two, &few).unwrap_err().message, "cannot attach more than 1 callbacks to an execution");
        let long = format!("http://{}", "a".repeat(1000));
        let text = "invalid url: url length longer than max length allowed of 1000";
        assert_eq!(refused(&long, &few), (Code::InvalidArgument, text.to_owned()));
    }
}
