//! What becomes of starts that are due while a workflow of the schedule runs.

pub use evertide_proto::enums::ScheduleOverlapPolicy as Policy;

/// A start that is due and not yet made.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BufferedStart {
    /// The time of the spec, in unix nanoseconds.
    #[prost(int64, tag = "1")]
    pub nominal_ns: i64,
    /// That time with jitter, in unix nanoseconds.
    #[prost(int64, tag = "2")]
    pub actual_ns: i64,
    /// The overlap policy of the request that asked for it; unspecified is the policy that the schedule has in the end.
    #[prost(enumeration = "Policy", tag = "3")]
    pub overlap_policy: i32,
    /// Whether a trigger or a backfill asked for it, so that neither pause nor limits apply.
    #[prost(bool, tag = "4")]
    pub manual: bool,
}

/// How the workflow that runs is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a cancellation request.
    Cancel,
    /// By termination.
    Terminate,
}

/// What becomes of the starts of a buffer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Started now, whatever runs; these workflows are not waited for.
    pub overlapping: Vec<BufferedStart>,
    /// Started now, and what comes after waits for it.
    pub next: Option<BufferedStart>,
    /// They wait for the end of the one that runs.
    pub waiting: Vec<BufferedStart>,
    /// What the one that runs is asked for.
    pub ending: Option<Ending>,
    /// Starts that were dropped because another one runs.
    pub skipped: i64,
}

/// The policy of a schedule: skip if it does not say.
#[must_use]
pub fn policy_or_skip(policy: i32) -> Policy {
    match Policy::try_from(policy) {
        Ok(Policy::Unspecified) | Err(_) => Policy::Skip,
        Ok(policy) => policy,
    }
}

/// Decides over a buffer, oldest first. The schedule's policy is that of starts which have none of their own.
#[must_use]
pub fn resolve(buffer: Vec<BufferedStart>, is_running: bool, schedule_policy: Policy) -> Resolved {
    let mut resolved = Resolved::default();
    for start in buffer {
        let policy = match start.overlap_policy() {
            Policy::Unspecified => schedule_policy,
            policy => policy,
        };
        match policy {
            Policy::AllowAll => resolved.overlapping.push(start),
            _ if !is_running && resolved.next.is_none() => resolved.next = Some(start),
            Policy::BufferAll => resolved.waiting.push(start),
            Policy::BufferOne if resolved.waiting.is_empty() => resolved.waiting.push(start),
            // What has not begun yet needs no ending: the newer start takes its place.
            Policy::CancelOther | Policy::TerminateOther if !is_running => resolved.next = Some(start),
            Policy::CancelOther => resolved.end_running(Ending::Cancel, start),
            Policy::TerminateOther => resolved.end_running(Ending::Terminate, start),
            Policy::Unspecified | Policy::Skip | Policy::BufferOne => resolved.skipped += 1,
        }
    }
    resolved
}

impl Resolved {
    fn end_running(&mut self, ending: Ending, start: BufferedStart) {
        if self.ending != Some(Ending::Terminate) {
            self.ending = Some(ending);
        }
        self.waiting.push(start);
    }
}

#[cfg(test)]
mod tests;
