//! The client against a server of recorded answers, rule by rule of the handle's contract.

mod it {
    mod activities;
    mod addressing;
    mod conversion;
    mod describing;
    mod fake;
    mod histories;
    mod interception;
    mod lists;
    mod queries;
    mod results;
    mod starts;
    mod time_skipping;
    mod updates;
    mod wire;
    mod with_start;
}
