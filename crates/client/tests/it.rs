//! The client against a server of recorded answers, rule by rule of the handle's contract.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may say so by a panic")]

/// The tour is an example and a test at once; only its `main` is for the one alone.
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/tour.rs"]
mod tour;

mod it {
    use super::tour;

    mod activities;
    mod addressing;
    mod conversion;
    mod describing;
    mod embedded;
    mod fake;
    mod histories;
    mod interception;
    mod lists;
    mod queries;
    mod results;
    mod starts;
    #[cfg(feature = "temporalio")]
    mod temporalio;
    mod time_skipping;
    mod updates;
    mod wire;
    mod with_start;
}
