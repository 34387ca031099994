//! A thread that brings what is pending into the tables while nothing else happens.

use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use evertide_store::StoreError;

use crate::store::Core;

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct IdleThread {
    /// Dropped to end the thread.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IdleThread {
    pub(crate) fn start(core: Weak<Core>, idle: Duration) -> Result<Self, StoreError> {
        let (stop, stopped) = sync_channel::<()>(0);
        let watch = move || {
            let mut commits_seen = 0;
            let mut at_rest = false;
            while stopped.recv_timeout(idle) == Err(RecvTimeoutError::Timeout) {
                let Some(core) = core.upgrade() else { return };
                let commits = core.commits();
                if commits != commits_seen {
                    (commits_seen, at_rest) = (commits, false);
                } else if !at_rest {
                    core.rest();
                    at_rest = true;
                }
            }
        };
        let thread = std::thread::Builder::new().name("evertide-store".to_owned()).spawn(watch);
        let thread =
            thread.map_err(|error| StoreError::Unavailable { action: "start a thread", reason: error.to_string() })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for IdleThread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to be waited for.
            let _ = thread.join();
        }
    }
}
