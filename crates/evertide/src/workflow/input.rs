//! Arguments and headers, from flags and files.

use crate::cli::json_payload;
use crate::cli::workflow::{Headers, Input};
use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use evertide_proto::bytes::Bytes;
use evertide_proto::common::{Header, Payload, Payloads};
use std::collections::BTreeMap;
use std::io::Read;

/// The arguments; none if there are none.
pub(super) fn payloads(input: &Input) -> anyhow::Result<Option<Payloads>> {
    let mut arguments: Vec<Vec<u8>> = input.input.iter().map(|text| text.clone().into_bytes()).collect();
    for file in &input.input_file {
        arguments.push(read(file)?);
    }
    let count = arguments.len();
    let mut metadata: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in &input.input_meta {
        metadata.entry(key).or_default().push(value);
    }
    if let Some((key, values)) = metadata.iter().find(|(_, values)| values.len() > count.max(1)) {
        bail!("--input-meta has {} values of {key} for {count} arguments", values.len());
    }
    let arguments = arguments.into_iter().enumerate();
    let payloads = arguments.map(|(place, data)| payload(place, data, &metadata, input.input_base64));
    let payloads: Vec<Payload> = payloads.collect::<anyhow::Result<_>>()?;
    Ok((!payloads.is_empty()).then_some(Payloads { payloads }))
}

fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(file).with_context(|| format!("cannot read the argument in {file}"));
    }
    let mut data = Vec::new();
    std::io::stdin().read_to_end(&mut data).context("cannot read the argument on standard input")?;
    Ok(data)
}

/// One argument. A value of metadata that is given once is that of all of them.
fn payload(
    place: usize,
    data: Vec<u8>,
    metadata: &BTreeMap<&str, Vec<&str>>,
    is_base64: bool,
) -> anyhow::Result<Payload> {
    let data = match is_base64 {
        true => BASE64_STANDARD.decode(data).with_context(|| format!("argument {} is not base64", place + 1))?,
        false => data,
    };
    let mut made = json_payload(data);
    for (key, values) in metadata {
        let value = if values.len() == 1 { values.first() } else { values.get(place) };
        if let Some(value) = value {
            made.metadata.insert((*key).to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    if made.metadata.get("encoding").is_some_and(|encoding| encoding.starts_with(b"json/")) {
        let read = serde_json::from_slice::<serde_json::Value>(&made.data);
        let shown = String::from_utf8_lossy(&made.data).into_owned();
        let hint = "a text has quotes of its own, as in --input '\"text\"'";
        ensure!(read.is_ok(), "argument {}, {shown:?}, is not JSON; {hint}", place + 1);
    }
    Ok(made)
}

/// The header; none if there is nothing in it.
pub(super) fn header(headers: &Headers) -> Option<Header> {
    let fields: BTreeMap<String, Payload> = headers.headers.iter().cloned().collect();
    (!fields.is_empty()).then_some(Header { fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(texts: &[&str], metadata: &[(&str, &str)], input_base64: bool) -> Input {
        Input {
            input: texts.iter().map(ToString::to_string).collect(),
            input_file: Vec::new(),
            input_meta: metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            input_base64,
        }
    }

    fn shown(input: &Input) -> Vec<String> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let payloads = payloads(input).unwrap().unwrap_or_default().payloads;
        payloads.iter().map(|p| format!("{} {}", text(&p.metadata["encoding"]), text(&p.data))).collect()
    }

    #[test]
    fn arguments_are_json_unless_their_metadata_says_otherwise() {
        assert_eq!(shown(&input(&[], &[], false)), Vec::<String>::new());
        assert_eq!(shown(&input(&["1", "\"x\""], &[], false)), ["json/plain 1", "json/plain \"x\""]);
        let plain = [("encoding", "binary/plain")];
        assert_eq!(shown(&input(&["eA==", "eQ=="], &plain, true)), ["binary/plain x", "binary/plain y"]);
        let two = [("encoding", "binary/plain"), ("encoding", "json/plain")];
        assert_eq!(shown(&input(&["x", "1"], &two, false)), ["binary/plain x", "json/plain 1"]);
    }

    #[test]
    fn what_is_wrong_with_an_argument_is_told() {
        let told = |input: Input| payloads(&input).unwrap_err().to_string();
        assert!(told(input(&["1", "word"], &[], false)).starts_with("argument 2, \"word\", is not JSON"));
        assert!(told(input(&["?"], &[], true)).contains("argument 1 is not base64"));
        let two = [("encoding", "json/plain"), ("encoding", "json/plain")];
        assert!(told(input(&["1"], &two, false)).contains("2 values of encoding for 1 arguments"));
    }
}
