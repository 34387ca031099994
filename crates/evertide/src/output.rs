//! Answers on standard output: tables for people, JSON for programs.

mod shorthand;

use crate::asking::one_line;
use crate::cli::Output;
use comfy_table::{ColumnConstraint, Table, Width, presets};
use evertide_client::json;
use evertide_proto::prost::{Message, Name};
use evertide_proto::prost_types::{Duration, Timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// Rows that are collected before they are printed, so that columns can be made wide enough.
const ROWS_AT_ONCE: usize = 1000;

/// Whether the error is that nobody reads the output any more.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a message of the API as JSON.
pub(crate) fn print_json<M: Message + Name>(message: &M, output: Output) -> anyhow::Result<()> {
    print_value(&value(message)?, output)
}

/// Writes a value as JSON.
pub(crate) fn print_value<T: Serialize>(value: &T, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Jsonl => serde_json::to_string(value)?,
        Output::Table | Output::Json => serde_json::to_string_pretty(value)?,
    };
    print(&(text + "\n"))
}

/// A message of the API as JSON in which payloads that are JSON stand as such.
pub(crate) fn value<M: Message + Name>(message: &M) -> anyhow::Result<Value> {
    Ok(shorthand::shorten(serde_json::from_str(&json::to_string(message)?)?))
}

/// A table without lines, with a space between its columns.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    aligned(headings, rows, &mut Vec::new(), true)
}

/// Names and values below each other. A name without a value is left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let rows = facts.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<_> = rows.map(|(name, value)| vec![(*name).to_owned(), one_line(value)]).collect();
    aligned(&["", ""], &rows, &mut Vec::new(), false)
}

/// The widths are at least those of earlier rows, and become those of these.
fn aligned(headings: &[&str], rows: &[Vec<String>], widths: &mut Vec<u16>, with_headings: bool) -> String {
    if rows.is_empty() && !with_headings {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if with_headings {
        table.set_header(headings.to_vec());
    }
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| one_line(cell))));
    let contents = table.column_max_content_widths();
    widths.resize(contents.len(), 0);
    for (width, content) in widths.iter_mut().zip(contents) {
        // The padding of a cell is part of its width.
        *width = (*width).max(content.saturating_add(2));
    }
    table.set_constraints(widths.iter().map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(*width))));
    let lines = table.trim_fmt();
    lines
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .fold(String::new(), |text, line| text + line + "\n")
}

/// A list whose length nobody knows, printed while it is read.
pub(crate) struct Listing {
    output: Output,
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
    widths: Vec<u16>,
    listed: u64,
    printed_headings: bool,
    progress: ProgressBar,
}

impl Listing {
    /// Begins a list of things that are called so.
    pub(crate) fn of(things: &'static str, output: Output, headings: &'static [&'static str]) -> Self {
        let progress = if is_progress_of_use() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {pos} {msg} in {elapsed} ({per_sec})");
        if let Ok(style) = style {
            progress.set_style(style);
        }
        progress.set_message(things);
        Self { output, headings, rows: Vec::new(), widths: Vec::new(), listed: 0, printed_headings: false, progress }
    }

    /// Adds one, as a message or as the cells of a row.
    pub(crate) fn add<M: Message + Name>(
        &mut self,
        message: &M,
        cells: impl FnOnce() -> Vec<String>,
    ) -> anyhow::Result<()> {
        self.listed += 1;
        self.progress.inc(1);
        match self.output {
            Output::Table => {
                self.rows.push(cells());
                if self.rows.len() >= ROWS_AT_ONCE { self.print_rows() } else { Ok(()) }
            }
            Output::Jsonl => print_json(message, Output::Jsonl),
            Output::Json => {
                let before = if self.listed == 1 { "[" } else { "," };
                let item = serde_json::to_string_pretty(&value(message)?)?.replace('\n', "\n  ");
                print(&format!("{before}\n  {item}"))
            }
        }
    }

    /// Prints what has been collected so far.
    pub(crate) fn print_rows(&mut self) -> anyhow::Result<()> {
        if self.rows.is_empty() && self.printed_headings {
            return Ok(());
        }
        let text = aligned(self.headings, &self.rows, &mut self.widths, !self.printed_headings);
        self.printed_headings = true;
        self.rows.clear();
        print(&text)
    }

    /// Prints the rest.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.progress.finish_and_clear();
        match self.output {
            Output::Table => self.print_rows(),
            Output::Jsonl => Ok(()),
            Output::Json if self.listed == 0 => print("[]\n"),
            Output::Json => print("\n]\n"),
        }
    }
}

/// Someone watches, and does not see the list itself grow.
fn is_progress_of_use() -> bool {
    std::io::stderr().is_terminal() && !std::io::stdout().is_terminal()
}

/// A time in UTC, to the second; nothing for none.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    let time = time.filter(|time| (time.seconds, time.nanos) != (0, 0));
    let time = time.and_then(|time| jiff::Timestamp::from_second(time.seconds).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// A length of time with its units, like `1d 2h`; nothing for none.
pub(crate) fn length(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return String::new() };
    let seconds = duration.seconds.max(0);
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
    let mut words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    let millis = duration.nanos / 1_000_000;
    match (seconds % 60, millis) {
        (0, 0) if !words.is_empty() => {}
        (seconds, 0) => words.push(format!("{seconds}s")),
        (seconds, millis) => words.push(format!("{seconds}.{millis:03}s")),
    }
    words.join(" ")
}

/// A name of an enum value as people read it: `EVENT_TYPE_TIMER_FIRED` behind `EVENT_TYPE_` is `TimerFired`.
pub(crate) fn short_name(name: &str, prefix: &str) -> String {
    let words = name.strip_prefix(prefix).unwrap_or(name).split('_');
    words
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_owned() + &rest.to_ascii_lowercase()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_where_they_are_from_one_page_to_the_next() {
        let mut widths = Vec::new();
        let first = aligned(&["Id", "Type"], &[vec!["long-id".to_owned(), "A".to_owned()]], &mut widths, true);
        let second = aligned(&["Id", "Type"], &[vec!["x".to_owned(), "B".to_owned()]], &mut widths, false);
        assert_eq!(first, "Id       Type\nlong-id  A\n");
        assert_eq!(second, "x        B\n");
    }

    #[test]
    fn a_value_that_is_missing_is_left_out() {
        let text = facts(&[("Status", "Running".to_owned()), ("CloseTime", String::new()), ("Id", "a\nb".to_owned())]);
        assert_eq!(text, "Status  Running\nId      a\\nb\n");
    }

    #[test]
    fn times_and_lengths_are_readable() {
        assert_eq!(time(Some(Timestamp { seconds: 1_700_000_000, nanos: 5 })), "2023-11-14T22:13:20Z");
        assert_eq!(time(Some(Timestamp::default())), "");
        let length = |seconds, nanos| length(Some(Duration { seconds, nanos }));
        assert_eq!(length(93_600, 0), "1d 2h");
        assert_eq!(length(61, 250_000_000), "1m 1.250s");
        assert_eq!(length(0, 0), "0s");
    }

    #[test]
    fn names_of_the_api_are_shortened() {
        assert_eq!(short_name("EVENT_TYPE_TIMER_FIRED", "EVENT_TYPE_"), "TimerFired");
        assert_eq!(short_name("INDEXED_VALUE_TYPE_KEYWORD_LIST", "INDEXED_VALUE_TYPE_"), "KeywordList");
    }
}
