//! Those who wait for something of a run. They stand beside the runs, so that a run may leave memory while somebody waits
//! for what comes next of it.

use std::collections::BTreeMap;

use evertide_engine::effects::{QueryAnswer, UpdateSignal};
use tokio::sync::oneshot;

use crate::ask::{Respond, UpdateNews, UpdateSender};

/// How many may join before those who have gone are looked for, at least.
const PRUNE_AFTER: usize = 16;

/// Somebody who waits for an event.
struct HistoryWatcher {
    event_id: i64,
    respond: Respond,
}

/// Somebody who wants a run removed as soon as its messages are delivered.
pub(super) struct Removal {
    pub(super) run_id: String,
    pub(super) even_open: bool,
    pub(super) respond: Respond,
}

/// Those who wait for something of the runs of a chain.
#[derive(Default)]
pub(super) struct Waiters {
    /// By run id.
    runs: BTreeMap<String, RunWaiters>,
    removals: Vec<Removal>,
    joined: usize,
    prune_at: usize,
}

#[derive(Default)]
struct RunWaiters {
    history: Vec<HistoryWatcher>,
    /// By update id: one sender for all who wait for that update.
    updates: BTreeMap<String, UpdateSender>,
    /// By query id.
    queries: BTreeMap<String, oneshot::Sender<QueryAnswer>>,
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiters").field("count", &self.len()).finish_non_exhaustive()
    }
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.removals.is_empty()
    }

    /// How many there are, those included who have gone and were not noticed yet.
    pub(super) fn len(&self) -> usize {
        let of_run = |run: &RunWaiters| run.history.len() + run.updates.len() + run.queries.len();
        self.runs.values().map(of_run).sum::<usize>() + self.removals.len()
    }

    /// Joins those who wait until a run has that event, or has closed.
    pub(super) fn watch(&mut self, run_id: &str, event_id: i64, respond: Respond) {
        self.join(run_id).history.push(HistoryWatcher { event_id, respond });
    }

    /// Joins those who wait for news of an update.
    pub(super) fn follow_update(&mut self, run_id: &str, update_id: &str) -> UpdateNews {
        let updates = &mut self.join(run_id).updates;
        updates.entry(update_id.to_owned()).or_default().follow()
    }

    /// Waits for the answer to a query.
    pub(super) fn await_query(&mut self, run_id: &str, query_id: &str) -> oneshot::Receiver<QueryAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.join(run_id).queries.insert(query_id.to_owned(), sender);
        receiver
    }

    /// Waits until a run may be removed.
    pub(super) fn await_removal(&mut self, removal: Removal) {
        self.prune_if_many();
        self.removals.push(removal);
    }

    fn join(&mut self, run_id: &str) -> &mut RunWaiters {
        self.prune_if_many();
        self.runs.entry(run_id.to_owned()).or_default()
    }

    /// Those who have gone are taken out each time when as many have joined as were left the last time.
    fn prune_if_many(&mut self) {
        self.joined += 1;
        if self.joined >= self.prune_at.max(PRUNE_AFTER) {
            self.prune();
        }
    }

    /// Takes out those who have gone.
    pub(super) fn prune(&mut self) {
        for run in self.runs.values_mut() {
            run.history.retain(|w| w.respond.is_live());
            run.updates.retain(|_, sender| sender.is_live());
            run.queries.retain(|_, waiter| !waiter.is_closed());
        }
        self.runs.retain(|_, run| !run.is_empty());
        self.removals.retain(|removal| removal.respond.is_live());
        self.joined = 0;
        self.prune_at = self.len();
    }

    /// Takes out those who wait for an event of a run that is there now, or for ever in vain. `next_event_id` is that of
    /// a run that is open.
    pub(super) fn take_ripe(&mut self, run_id: &str, next_event_id: Option<i64>) -> Vec<Respond> {
        let Some(run) = self.runs.get_mut(run_id) else { return Vec::new() };
        let is_ripe = |w: &HistoryWatcher| next_event_id.is_none_or(|next| w.event_id < next);
        let (ripe, waiting): (Vec<_>, Vec<_>) = run.history.drain(..).partition(is_ripe);
        run.history = waiting;
        self.forget_if_empty(run_id);
        ripe.into_iter().map(|w| w.respond).collect()
    }

    /// Who is to hear this of an update; after its end nobody waits for it any more.
    pub(super) fn update_sender(
        &mut self,
        run_id: &str,
        update_id: &str,
        signal: &UpdateSignal,
    ) -> Option<UpdateSender> {
        let updates = &mut self.runs.get_mut(run_id)?.updates;
        match signal {
            UpdateSignal::Accepted => updates.get(update_id).cloned(),
            UpdateSignal::Completed(_) | UpdateSignal::Aborted(_) => {
                let sender = updates.remove(update_id);
                self.forget_if_empty(run_id);
                sender
            }
        }
    }

    /// Who is to hear the answer to a query.
    pub(super) fn take_query(&mut self, run_id: &str, query_id: &str) -> Option<oneshot::Sender<QueryAnswer>> {
        let waiter = self.runs.get_mut(run_id)?.queries.remove(query_id);
        self.forget_if_empty(run_id);
        waiter
    }

    /// Takes out the removals that are ready, now that something has happened at the chain.
    pub(super) fn take_removals(&mut self, is_ready: impl Fn(&str) -> bool) -> Vec<Removal> {
        if self.removals.is_empty() {
            return Vec::new();
        }
        let (ready, waiting) = self.removals.drain(..).partition(|removal| is_ready(&removal.run_id));
        self.removals = waiting;
        ready
    }

    /// Takes out everybody who waits for an event of a run. Those who wait for its updates and queries hear by the end of
    /// their channels that nothing comes.
    pub(super) fn take_run(&mut self, run_id: &str) -> Vec<Respond> {
        let run = self.runs.remove(run_id).unwrap_or_default();
        run.history.into_iter().map(|w| w.respond).collect()
    }

    /// Everybody who waits for an answer, of all runs.
    pub(super) fn into_responds(self) -> impl Iterator<Item = Respond> {
        let watchers = self.runs.into_values().flat_map(|run| run.history).map(|w| w.respond);
        watchers.chain(self.removals.into_iter().map(|removal| removal.respond))
    }

    fn forget_if_empty(&mut self, run_id: &str) {
        if self.runs.get(run_id).is_some_and(RunWaiters::is_empty) {
            self.runs.remove(run_id);
        }
    }
}

impl RunWaiters {
    fn is_empty(&self) -> bool {
        self.history.is_empty() && self.updates.is_empty() && self.queries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::channel;

    #[test]
    fn those_who_have_gone_make_room() {
        let mut waiters = Waiters::default();
        let (sender, _stays) = channel();
        waiters.watch("r", 5, Respond::Caller(sender));
        for n in 0..1000 {
            let (sender, _goes) = channel();
            waiters.watch("r", 5, Respond::Caller(sender));
            drop(waiters.follow_update("r", &format!("u{n}")));
            drop(waiters.await_query("r", &format!("q{n}")));
        }
        assert!(waiters.len() < 4 * PRUNE_AFTER, "{}", waiters.len());
        waiters.prune();
        assert_eq!(waiters.len(), 1);
        assert_eq!(waiters.take_ripe("r", Some(6)).len(), 1);
        assert!(waiters.is_empty());
    }

    #[test]
    fn all_who_follow_an_update_share_one_place() {
        let mut waiters = Waiters::default();
        let followers: Vec<_> = (0..100).map(|_| waiters.follow_update("r", "u")).collect();
        waiters.prune();
        assert_eq!(waiters.len(), 1);
        drop(followers);
        waiters.prune();
        assert!(waiters.is_empty());
    }
}
