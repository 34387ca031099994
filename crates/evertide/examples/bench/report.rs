//! Figures of a run, as text, and the ratios between two runs.

use std::fmt;

/// What was measured of one server.
#[derive(Debug)]
pub(crate) struct Figures {
    command: String,
    values: Vec<(String, f64)>,
}

impl Figures {
    /// No figures yet of the server that this command starts.
    pub(crate) fn of(command: &str) -> Self {
        Self { command: command.to_owned(), values: Vec::new() }
    }

    /// Adds a figure; the unit is at the end of its name.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.values.push((name.into(), value));
    }

    /// The ratios of these figures to those of another server.
    pub(crate) fn ratios(&self, other: &Self) -> String {
        let mut text = String::from("ratio, first to second\n");
        for (name, value) in &self.values {
            if let Some((_, theirs)) = other.values.iter().find(|(n, _)| n == name).filter(|(_, v)| *v != 0.0) {
                text.push_str(&format!("  {name:<28} {:>10.3}\n", value / theirs));
            }
        }
        text
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.command)?;
        for (name, value) in &self.values {
            writeln!(f, "  {name:<28} {value:>10.2}")?;
        }
        Ok(())
    }
}
