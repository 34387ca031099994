//! A thread that brings what is pending into the tables, when a layer is full or while nothing else happens.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evertide_store::StoreError;
use parking_lot::{Condvar, Mutex};

use crate::store::Core;

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct UpkeepThread {
    requests: Arc<Requests>,
    /// Present until it is dropped.
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked to do.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    state: Mutex<Requested>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Requested {
    begin: bool,
    end: bool,
}

/// Why the thread looks up.
enum Event {
    Asked,
    NothingAsked,
    End,
}

impl Requests {
    /// Asks the thread to begin without waiting for a quiet moment.
    pub(crate) fn begin(&self) {
        self.state.lock().begin = true;
        self.changed.notify_one();
    }

    fn end(&self) {
        self.state.lock().end = true;
        self.changed.notify_one();
    }

    fn next(&self, idle: Duration) -> Event {
        let mut state = self.state.lock();
        if !state.begin && !state.end {
            self.changed.wait_for(&mut state, idle);
        }
        if state.end {
            return Event::End;
        }
        if std::mem::take(&mut state.begin) { Event::Asked } else { Event::NothingAsked }
    }
}

impl Requests {
    /// Waits whatever is asked meanwhile, unless that is to end. Then there is something to be done again.
    fn wait_for_end(&self, pause: Duration) -> Event {
        let mut state = self.state.lock();
        let until = Instant::now() + pause;
        while !state.end && !self.changed.wait_until(&mut state, until).timed_out() {}
        if state.end { Event::End } else { Event::Asked }
    }
}

impl UpkeepThread {
    pub(crate) fn start(core: Weak<Core>, requests: Arc<Requests>, idle: Duration) -> Result<Self, StoreError> {
        let thread = std::thread::Builder::new().name("evertide-store".to_owned());
        let thread = thread.spawn({
            let requests = Arc::clone(&requests);
            move || keep_up(&core, &requests, idle)
        });
        let thread =
            thread.map_err(|error| StoreError::Unavailable { action: "start a thread", reason: error.to_string() })?;
        Ok(Self { requests, thread: Some(thread) })
    }
}

/// How long the thread waits after the tables could not be written: longer with every time.
fn pause_after(failures: u64) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    Duration::from_millis(100) * 2_u32.pow(doublings)
}

fn keep_up(core: &Weak<Core>, requests: &Requests, idle: Duration) {
    let mut commits_seen = None;
    loop {
        let failures = core.upgrade().map_or(0, |core| core.failures_in_a_row());
        let event = if failures > 0 { requests.wait_for_end(pause_after(failures)) } else { requests.next(idle) };
        let Some(core) = core.upgrade() else { return };
        let commits = core.commits();
        match event {
            Event::End => return,
            Event::Asked => core.keep_up(),
            Event::NothingAsked if commits_seen == Some(commits) => core.rest(),
            Event::NothingAsked => commits_seen = Some(commits),
        }
    }
}

impl Drop for UpkeepThread {
    fn drop(&mut self) {
        self.requests.end();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to be waited for.
            let _ = thread.join();
        }
    }
}
