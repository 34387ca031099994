//! What is said of settings that have no effect, when a server starts.

use evertide_engine::limits::{Ineffective, known_keys};

/// How much of a name must be right for another to be named as the nearest, 0 to 1.
const ALIKE: f64 = 0.5;

/// Says it in the log: a mistake as a warning, a setting that is known to do nothing here only to whoever wants to know.
pub(super) fn tell(ineffective: &Ineffective) {
    match ineffective {
        Ineffective::WithoutMeaning { .. } => tracing::info!("{ineffective}"),
        Ineffective::Unreadable { .. } => tracing::warn!("{ineffective}; what was in force stays so"),
        Ineffective::Unknown { key } => match nearest(key) {
            Some(name) => tracing::warn!("{ineffective}, so it has no effect; the nearest name is {name}"),
            None => tracing::warn!("{ineffective}, so it has no effect"),
        },
    }
}

/// The known name that is most like this one, if one is at all.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let alike = |name: &str| strsim::normalized_damerau_levenshtein(&key, &name.to_ascii_lowercase());
    let all = known_keys().map(|name| (alike(name), name)).filter(|(alike, _)| *alike >= ALIKE);
    all.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        assert_eq!(
            nearest("frontend.enableCancelWorkerPollOnShutdown"),
            Some("frontend.enableCancelWorkerPollsOnShutdown")
        );
        assert_eq!(nearest("history.enableActivityEagerExecution"), Some("system.enableActivityEagerExecution"));
        assert_eq!(nearest("x"), None);
    }
}
