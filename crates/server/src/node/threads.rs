//! The threads of a node.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::shell::Shell;

/// The committer, the timer and the workers.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// Ended last, so that everything that was decided becomes durable.
    committer: Option<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    shell: Option<Arc<Shell>>,
}

impl Threads {
    /// Starts them; with `workers` 0 there are none.
    pub(super) fn start(shell: &Arc<Shell>, workers: usize) -> Self {
        if workers == 0 {
            return Self::default();
        }
        let committer = start("evertide-commit", shell, |shell| while shell.commit_wait() {});
        let mut others = Vec::new();
        others.extend(start("evertide-timer", shell, run_timer));
        for _ in 0..workers {
            others.extend(start("evertide-work", shell, run_worker));
        }
        Self { committer, others, shell: Some(shell.clone()) }
    }

    /// Ends all threads, the committer last: everything that was decided becomes durable.
    pub(super) fn stop(mut self) {
        let Some(shell) = self.shell.take() else {
            return;
        };
        shell.timers.close();
        shell.work.close();
        self.others.drain(..).for_each(join);
        shell.commits.close();
        self.committer.take().into_iter().for_each(join);
        shell.shut_down();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(shell) = self.shell.take() {
            shell.timers.close();
            shell.work.close();
            shell.commits.close();
        }
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the node panicked");
    }
}

fn run_timer(shell: &Shell) {
    while shell.timers.wait(|due_ns| shell.clock.sleep_until(due_ns.min(shell.time.next_sleeper_ns()))) {
        shell.guarded("the timer", || shell.timer_step());
    }
}

fn run_worker(shell: &Shell) {
    while let Some(work) = shell.work.wait() {
        shell.guarded("a work", || shell.perform(work));
    }
}

fn start(name: &str, shell: &Arc<Shell>, run: fn(&Shell)) -> Option<JoinHandle<()>> {
    let shell = shell.clone();
    match Builder::new().name(name.to_owned()).spawn(move || run(&shell)) {
        Ok(thread) => Some(thread),
        Err(error) => {
            tracing::error!(%error, name, "a thread of the node could not be started");
            None
        }
    }
}
