//! What the simulated workers answer to queries: how many signals of the run they have seen.

use std::collections::BTreeMap;
use std::rc::Rc;

use evertide_engine::effects::QueryAnswer;
use evertide_engine::token::TaskToken;
use evertide_proto::common::Payloads;
use evertide_proto::enums::{EventType, QueryResultType};
use evertide_proto::history::HistoryEvent;
use evertide_proto::query::{WorkflowQuery, WorkflowQueryResult};
use evertide_server::history::{HistoryRead, WorkflowTaskPage};

use crate::actor::call;
use crate::client::text;
use crate::options::Sabotage;
use crate::worker::{Hands, run_of};
use crate::world::World;

/// The answers to the queries that rode on a workflow task. Some workers forget them.
pub(super) fn results(
    world: &World,
    run_id: &str,
    events: &[HistoryEvent],
    queries: BTreeMap<String, WorkflowQuery>,
) -> BTreeMap<String, WorkflowQueryResult> {
    let remembered = queries.into_iter().filter(|_| !world.mischief(10));
    let answered = remembered.map(|(id, query)| {
        let result = WorkflowQueryResult {
            result_type: QueryResultType::Answered.into(),
            answer: Some(answer(world, run_id, events, &query)),
            ..WorkflowQueryResult::default()
        };
        (id, result)
    });
    answered.collect()
}

/// Which query it is, of which run, and how many signals the worker has seen.
fn answer(world: &World, run_id: &str, events: &[HistoryEvent], query: &WorkflowQuery) -> Payloads {
    let asked = query.query_args.as_ref().and_then(|p| p.payloads.first()).map(|p| p.data.clone()).unwrap_or_default();
    let is_signal = |e: &&HistoryEvent| e.event_type() == EventType::WorkflowExecutionSignaled;
    let seen = if world.sabotages(Sabotage::AnswersStale, 1) { 0 } else { events.iter().filter(is_signal).count() };
    text(&format!("{}|{run_id}|{seen}", String::from_utf8_lossy(&asked)))
}

impl Hands {
    /// Answers a query that came alone, from what is in the cache or from the history that came with it.
    pub(super) async fn answer_query_task(&mut self, world: &Rc<World>, page: WorkflowTaskPage) {
        if world.mischief(10) {
            return;
        }
        let Some(token) = TaskToken::from_bytes(&page.response.task_token) else {
            return world.fault(format!("a query has a token that cannot be read: {page:?}"));
        };
        let came = page.response.history.as_ref().is_some_and(|h| !h.events.is_empty());
        let events = if came {
            self.whole_history(world, &token, &page).await
        } else if let Some(cached) = self.cache.get(&token.run_id) {
            Some(cached.clone())
        } else {
            let node = world.node();
            let whole = HistoryRead::Forward { from_event_id: 1, max_events: usize::MAX };
            call(world, node.history(&run_of(&token), whole)).await.ok().map(|page| page.events)
        };
        let (Some(events), Some(query)) = (events, page.response.query) else { return };
        let answer = answer(world, &token.run_id, &events, &query);
        // Whoever asked may have gone.
        let _ = world.node().answer_query(&token.query_id, QueryAnswer::Answered(Some(answer)));
    }
}
