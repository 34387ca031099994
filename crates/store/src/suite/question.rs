//! Every question that a store answers, as a value.

use std::fmt::Debug;

use evertide_engine::slot::SlotSet;
use evertide_engine::visibility::Filter;

use crate::batch::{QueueKey, RunIdentity, RunKey};
use crate::contract::{HistoryLimit, Store};
use crate::error::StoreError;
use crate::numbers::BacklogCursor;
use crate::visibility::{ListCursor, ListPage, ListQuery};

#[derive(Clone, Debug)]
pub(super) enum Question {
    OpenState,
    CurrentRun(String, u8, String),
    FindRun(RunIdentity),
    Run(RunKey),
    History(RunKey, i64, HistoryLimit),
    HistoryBefore(RunKey, i64, HistoryLimit),
    Wakes(SlotSet, i64, Option<(i64, RunKey)>, usize),
    Backlog(QueueKey, SlotSet, BacklogCursor, usize),
    BacklogQueues(SlotSet),
    Registry(String),
    RegistryVersion,
    List(ListQuery),
    Count(String, Filter),
    CountByStatus(String, Filter),
    Expired(String, SlotSet, i64, usize),
}

impl Question {
    /// How the answer of a store differs from the model's, if it does.
    pub(super) fn difference(&self, model: &dyn Store, store: &dyn Store) -> Option<String> {
        let both = [model, store];
        match self {
            Self::OpenState => compare(both.map(|store| store.open_state())),
            Self::CurrentRun(namespace_id, kind, id) => {
                compare(both.map(|store| store.current_run(namespace_id, *kind, id)))
            }
            Self::FindRun(RunIdentity { namespace_id, kind, id, run_id }) => {
                compare(both.map(|store| store.find_run(namespace_id, *kind, id, run_id)))
            }
            Self::Run(run_key) => compare(both.map(|store| store.run(*run_key))),
            Self::History(run_key, from_event_id, limit) => {
                compare(both.map(|store| store.history(*run_key, *from_event_id, *limit)))
            }
            Self::HistoryBefore(run_key, before_event_id, limit) => {
                compare(both.map(|store| store.history_before(*run_key, *before_event_id, *limit)))
            }
            Self::Wakes(slots, until_ms, after, limit) => {
                compare(both.map(|store| store.wakes(slots, *until_ms, *after, *limit)))
            }
            Self::Backlog(queue, slots, after, limit) => {
                compare(both.map(|store| store.backlog(queue, slots, after, *limit)))
            }
            Self::BacklogQueues(slots) => compare(both.map(|store| store.backlog_queues(slots))),
            Self::Registry(kind) => compare(both.map(|store| store.registry(kind))),
            Self::RegistryVersion => compare(both.map(|store| store.registry_version())),
            Self::List(query) => compare(both.map(|store| all_pages(store, query))),
            Self::Count(namespace_id, filter) => compare(both.map(|store| store.count(namespace_id, filter))),
            Self::CountByStatus(namespace_id, filter) => {
                compare(both.map(|store| store.count_by_status(namespace_id, filter)))
            }
            Self::Expired(namespace_id, slots, closed_before_ns, limit) => {
                compare(both.map(|store| store.expired(namespace_id, slots, *closed_before_ns, *limit)))
            }
        }
    }
}

/// The model never fails, so that a failure of the store is a difference.
fn compare<T: Debug + PartialEq>([expected, found]: [Result<T, StoreError>; 2]) -> Option<String> {
    match (&expected, &found) {
        (Ok(expected), Ok(found)) if expected == found => None,
        _ => Some(format!("found    {found:?}\nexpected {expected:?}")),
    }
}

/// Pages of a list up to its end, or up to one that leads back.
fn all_pages(store: &dyn Store, query: &ListQuery) -> Result<Vec<ListPage>, StoreError> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = store.list(&query)?;
        let next = page.next.clone().filter(|next| advances(query.after.as_ref(), next));
        pages.push(page);
        match next {
            Some(next) => query.after = Some(next),
            None => return Ok(pages),
        }
    }
}

fn advances(after: Option<&ListCursor>, next: &ListCursor) -> bool {
    after.is_none_or(|after| after.list_order(next).is_lt())
}
