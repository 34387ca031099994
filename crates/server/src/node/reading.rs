//! Reading runs: their state, their history, and waiting for more of it.

use evertide_engine::address::Address;
use evertide_engine::workflow;
use evertide_store::Store;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::address::ChainKey;
use crate::ask::{Ask, RunView};
use crate::fault::{Failure, Fault};
use crate::history::{
    HistoryPage, HistoryRead, HistoryWait, TaskHistory, WorkflowTaskPage, read_events, read_events_before,
};
use crate::node::{AnswerReceiver, Node, answered};
use crate::work::Work;

impl Node {
    /// Looks at a run; an empty run id means the current one. What was seen is durable when this returns.
    ///
    /// # Errors
    /// There is no such run, or the server fails.
    pub async fn look<T: Send + 'static>(
        &self,
        run: Address,
        look: impl FnOnce(&RunView<'_>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, mut seen) = oneshot::channel();
        let look = move |view: &RunView<'_>| {
            let _ = sender.send(look(view)); // Its caller may have gone.
        };
        answered(self.submit_look(run, look)).await?;
        seen.try_recv().map_err(|_| Fault::Stopping.into())
    }

    /// As [`Self::look`], at a run of a workflow.
    pub(crate) async fn look_at_workflow<T: Send + 'static>(
        &self,
        run: Address,
        look: impl FnOnce(&RunView<'_>, &workflow::Execution) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let missing = run.not_found();
        let seen = self.look(run, move |view| view.exec.as_workflow().map(|run| look(view, run))).await?;
        seen.ok_or_else(|| missing.into())
    }

    /// As [`Self::look`]: the answer in the channel says that what was seen is durable.
    pub fn submit_look(&self, run: Address, look: impl FnOnce(&RunView<'_>) + Send + 'static) -> AnswerReceiver {
        let key = ChainKey::of(&run);
        self.submit(key, Ask::Look { run_id: run.run_id, look: Box::new(look) })
    }

    /// Does something that may wait for the store, on a thread that may.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.shell.work.push(Work::Read(Box::new(move |store| {
            let _ = sender.send(read(store)); // Its caller may have gone.
        })));
        Ok(receiver.await.unwrap_or(Err(Fault::Stopping))?)
    }

    /// Part of a run's history, with where the run stands.
    ///
    /// # Errors
    /// There is no such run, or the server fails.
    pub async fn history(&self, run: &Address, read: HistoryRead) -> Result<HistoryPage, Failure> {
        let asked = read.clone();
        let (run_key, mut page, cached) = self
            .look_at_workflow(run.clone(), move |view, run| {
                let state = &run.state;
                let page = HistoryPage {
                    run_id: view.run.run_id.clone(),
                    events: Vec::new(),
                    next_event_id: state.next_event_id,
                    running: state.is_running(),
                    virtual_events: run.pending_events(),
                };
                let cached = asked.in_memory(view.events, state.next_event_id);
                (view.run_key, page, cached)
            })
            .await?;
        let until = page.next_event_id;
        page.events = match cached {
            Some(events) => events,
            None => {
                self.blocking(move |store| match read {
                    HistoryRead::Forward { from_event_id, max_events } => {
                        read_events(store, run_key, from_event_id, until, max_events)
                    }
                    HistoryRead::Backward { from_event_id, max_events } => {
                        read_events_before(store, run_key, from_event_id.saturating_add(1).min(until), max_events)
                    }
                })
                .await?
            }
        };
        Ok(page)
    }

    /// As [`Self::wait_for_history`] without an end of its own, with the answer in a channel.
    pub fn submit_wait(&self, run: Address, wait: HistoryWait) -> AnswerReceiver {
        let event_id = match wait {
            HistoryWait::Close => i64::MAX,
            HistoryWait::After { event_id } => event_id.saturating_add(1),
        };
        let key = ChainKey::of(&run);
        self.submit(key, Ask::Await { run_id: run.run_id, event_id })
    }

    /// Waits until there is more of a run's history, at most until then. Ends early when the server stops.
    ///
    /// # Errors
    /// There is no such run, or the server fails.
    pub async fn wait_for_history(&self, run: &Address, wait: HistoryWait, until: Instant) -> Result<(), Failure> {
        let mut stopping = self.stopping.clone();
        let wait = answered(self.submit_wait(run.clone(), wait));
        tokio::select! {
            more = timeout_at(until, wait) => match more {
                Ok(answer) => answer.map(|_| ()),
                Err(_) => Ok(()),
            },
            _ = stopping.wait_for(|stopping| *stopping) => Ok(()),
        }
    }

    /// The first page of a workflow task, ready for its worker.
    ///
    /// # Errors
    /// The server fails.
    pub async fn task_page(&self, history: TaskHistory) -> Result<WorkflowTaskPage, Failure> {
        if history.is_complete() {
            return Ok(history.into_page(&*self.shell.store)?);
        }
        self.blocking(move |store| history.into_page(store)).await
    }
}
