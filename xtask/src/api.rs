//! The public API of the client as a text, so that a change to it is seen in a review and cannot happen by accident.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The crate whose API is promised to others.
const PACKAGE: &str = "evertide-client";
/// The text, below the root of the repository.
const TEXT: &str = "crates/client/public-api.txt";
/// What a first line says to whoever finds the file.
const HEADING: &str = "# What evertide-client offers, all features on. Renewed by: cargo run -p xtask -- api\n";

/// Writes the text anew.
pub(crate) fn write() -> Result<()> {
    std::fs::write(root().join(TEXT), current()?).with_context(|| format!("{TEXT} cannot be written"))
}

/// Compares the text with the code.
pub(crate) fn check() -> Result<()> {
    let (promised, current) = (std::fs::read_to_string(root().join(TEXT))?, current()?);
    let only_in = |one: &str, other: &str, sign: char| -> Vec<String> {
        let there: std::collections::HashSet<_> = other.lines().collect();
        one.lines().filter(|line| !there.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let differences = [only_in(&promised, &current, '-'), only_in(&current, &promised, '+')].concat();
    ensure!(
        differences.is_empty(),
        "the public API of {PACKAGE} is not what {TEXT} says:\n{}\nA line with - breaks programs of users, so it needs a \
         word in CHANGELOG.md and a version; then renew the text with: cargo run -p xtask -- api",
        differences.join("\n"),
    );
    println!("the public API of {PACKAGE} is as {TEXT} says");
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The API as rustdoc sees it. Its JSON is not stable yet, so it has to be switched on; only for rustdoc, since build
/// scripts would take the switch for another compiler and everything would be built anew.
fn current() -> Result<String> {
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        .env("RUSTDOC", root().join("xtask/rustdoc-unstable"))
        .args(["rustdoc", "--locked", "--quiet", "--package", PACKAGE, "--lib", "--all-features"])
        .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .status()
        .context("cargo does not run")?;
    ensure!(status.success(), "rustdoc failed");
    let api = public_api::Builder::from_rustdoc_json(target().join("doc/evertide_client.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    Ok(format!("{HEADING}{api}"))
}
