//! What requests of several kinds must be: priorities, links, task queues.

use crate::env::Env;
use crate::rejection::Rejection;
use evertide_proto::common::link::{Variant as LinkVariant, workflow_event};
use evertide_proto::common::{Link, Priority};
use evertide_proto::taskqueue::TaskQueue;
use prost::Message;

/// The queue of the system's own workers, which users cannot have.
const INTERNAL_QUEUE: &str = "temporal-sys-per-ns-tq";
/// Prefix of the names of queue partitions.
const RESERVED_PREFIX: &str = "/_sys/";
/// Longest fairness key, bytes.
const FAIRNESS_KEY_BYTES: usize = 64;

/// A task queue must be named, and not with a name of the system's.
pub(super) fn check_task_queue(queue: Option<&TaskQueue>, limit: usize) -> Result<(), Rejection> {
    let Some(queue) = queue else {
        return Err(Rejection::invalid("taskQueue is not set"));
    };
    if queue.name.is_empty() {
        return Err(Rejection::invalid("missing task queue name"));
    }
    if queue.name.len() > limit {
        return Err(Rejection::invalid("taskQueue length exceeds limit"));
    }
    if queue.name.starts_with(RESERVED_PREFIX) {
        return Err(Rejection::invalid("task queue name cannot start with reserved prefix /_sys/"));
    }
    if queue.name == INTERNAL_QUEUE {
        return Err(Rejection::invalid(format!("cannot use internal per-namespace task queue:{INTERNAL_QUEUE}")));
    }
    Ok(())
}

/// A priority within its bounds; the text says what is wrong.
pub(super) fn check_priority(priority: Option<&Priority>) -> Result<(), &'static str> {
    let Some(priority) = priority else {
        return Ok(());
    };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative");
    }
    if priority.fairness_key.len() > FAIRNESS_KEY_BYTES {
        return Err("fairness key length exceeds limit");
    }
    if priority.fairness_weight < 0.0 {
        return Err("must be greater than zero");
    }
    Ok(())
}

/// Links: how many, how big, and whole.
pub(super) fn check_links(links: &[Link], env: &Env<'_>) -> Result<(), Rejection> {
    let (most, largest) = (env.limits.links_per_request, env.limits.link_size_bytes);
    if links.len() > most {
        let got = links.len();
        return Err(Rejection::invalid(format!("cannot attach more than {most} links per request, got {got}")));
    }
    for link in links {
        let size = link.encoded_len();
        if size > largest {
            return Err(Rejection::invalid(format!("link exceeds allowed size of {largest}, got {size}")));
        }
        check_link(link).map_err(Rejection::invalid)?;
    }
    Ok(())
}

fn check_link(link: &Link) -> Result<(), &'static str> {
    match &link.variant {
        Some(LinkVariant::WorkflowEvent(e)) => {
            if e.namespace.is_empty() {
                return Err("workflow event link must not have an empty namespace field");
            }
            if e.workflow_id.is_empty() {
                return Err("workflow event link must not have an empty workflow ID field");
            }
            if e.run_id.is_empty() {
                return Err("workflow event link must not have an empty run ID field");
            }
            match &e.reference {
                Some(workflow_event::Reference::EventRef(r)) if r.event_type == 0 && r.event_id != 0 => {
                    Err("workflow event link ref cannot have an unspecified event type and a non-zero event ID")
                }
                _ => Ok(()),
            }
        }
        Some(LinkVariant::BatchJob(job)) if job.job_id.is_empty() => {
            Err("batch job link must not have an empty job ID")
        }
        Some(_) => Ok(()),
        None => Err("unsupported link variant"),
    }
}
