//! What a server says when it is ready. Scripts look for the first words of these lines.

use std::net::SocketAddr;
use std::path::Path;

/// The lines of a server that is ready.
pub(crate) fn ready(address: SocketAddr, file: Option<&Path>) -> String {
    let keeps = match file {
        Some(path) => path.display().to_string(),
        None => "memory; everything is lost at the end (--db-filename FILE keeps it)".to_owned(),
    };
    format!(
        "Evertide {}\n\n\
         Temporal Server:       {address}\n\
         Temporal Persistence:  {keeps}\n\
         Temporal UI:           none in this server; the official UI works with its address",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_ends_its_line() {
        let text = ready(([127, 0, 0, 1], 7233).into(), None);
        assert!(text.lines().any(|l| l.starts_with("Temporal Server:") && l.ends_with(" 127.0.0.1:7233")), "{text}");
    }
}
