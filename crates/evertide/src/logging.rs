//! The log: on standard error, in the form and at the level that were asked for.

use crate::cli::{LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

/// Sets the log up for the rest of the process.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let filter = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Never => LevelFilter::OFF,
    };
    let log = tracing_subscriber::fmt().with_max_level(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text | LogFormat::Pretty => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
