//! Asking a server: the connection, and what is said when the answer is an error.

use crate::cli::Asking;
use anyhow::bail;
use evertide_client::envconfig::LoadOptions;
use evertide_client::{Client, Code, Error, ErrorKind};
use std::io::{IsTerminal, Write};

/// A client with what the user said about errors of its connection.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) client: Client,
    address: String,
}

impl Asked {
    /// Connects as the flags say, then the environment, then the profile file.
    pub(crate) async fn connect(flags: &Asking) -> anyhow::Result<Self> {
        let mut options = LoadOptions::new();
        if let Some(profile) = &flags.profile {
            options = options.profile(profile);
        }
        let mut profile = options.load().map_err(|error| anyhow::Error::msg(one_line(&error.to_string())))?;
        profile.address = flags.address.clone().or(profile.address);
        profile.namespace = flags.namespace.clone().or(profile.namespace);
        profile.api_key = flags.api_key.clone().or(profile.api_key);
        let address = profile.address.clone().unwrap_or_else(|| "localhost:7233".to_owned());
        let connected = match profile.connect() {
            Ok(connect) => match &flags.identity {
                Some(identity) => connect.identity(identity.as_str()).await,
                None => connect.await,
            },
            Err(error) => Err(error),
        };
        match connected {
            Ok(client) => Ok(Self { client, address }),
            Err(error) => Err(explained(&error, &address)),
        }
    }

    /// The answer, or an error that says what to do.
    pub(crate) fn told<T>(&self, answer: evertide_client::Result<T>) -> anyhow::Result<T> {
        answer.map_err(|error| explained(&error, &self.address))
    }
}

fn explained(error: &Error, address: &str) -> anyhow::Error {
    let said = error.grpc_status().map_or_else(|| error.to_string(), |status| status.message().to_owned());
    let said = one_line(&said);
    anyhow::Error::msg(match (error.kind(), error.code()) {
        (ErrorKind::Connect, None) | (_, Some(Code::Unavailable)) => format!(
            "no server answers on {address}; start one with `evertide server start-dev`, or name another with --address"
        ),
        (_, Some(Code::NotFound)) if said.starts_with("Namespace ") => {
            format!("{said} `evertide operator namespace list` shows those there are")
        }
        (_, Some(Code::NotFound)) => format!("{said}; `evertide workflow list` shows those there are"),
        (_, Some(Code::Unimplemented)) => format!("the server on {address} cannot do this: {said}"),
        (_, Some(Code::Unauthenticated | Code::PermissionDenied)) => {
            format!("the server on {address} refuses: {said}; give the right key with --api-key or TEMPORAL_API_KEY")
        }
        (_, Some(Code::DeadlineExceeded)) => format!("the server on {address} did not answer in time; try again"),
        _ => said,
    })
}

/// Text of others on one line, without what a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => line.extend(letter.escape_default()),
            letter => line.push(letter),
        }
    }
    line
}

/// Whoever sits at the terminal, for reasons.
pub(crate) fn user() -> String {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "<unknown-user>".to_owned())
}

/// Goes on only if the user means it: by a flag, or by an answer at the terminal.
pub(crate) fn confirm(yes: bool, what: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("{what}: this cannot be undone; say --yes if it is meant");
    }
    eprint!("{what}: this cannot be undone. Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was done");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_on_its_line() {
        assert_eq!(one_line("a\nb\u{1b}[31mc"), "a\\nb\\u{1b}[31mc");
        assert_eq!(one_line("käse 水"), "käse 水");
    }
}
