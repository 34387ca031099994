//! The way here from the official Rust client, `temporalio-client`.
//!
//! | there | here |
//! |---|---|
//! | `Connection::connect(ConnectionOptions::new(url).build())`, `Client::new(connection, ClientOptions::new(namespace).build())` | `Client::connect(address).namespace(namespace).await?` |
//! | `client.start_workflow(W::run, input, WorkflowStartOptions::new(queue, id).build())` | `client.start_workflow(W).id(id).task_queue(queue).arg(&input).await?` |
//! | `UntypedWorkflow::new("W")` with a `RawValue` | `client.start_workflow("W")` with any value of serde |
//! | `client.get_workflow_handle::<W>(id)` | `client.get_workflow_handle_for::<W>(id)`, or `get_workflow_handle(id)` |
//! | `handle.info()`, `WorkflowExecutionInfo::bind_untyped(client)` | `handle.to_ref()`, `client.bind(&reference)` |
//! | `handle.get_result(options)` | `handle.result().await?` |
//! | `handle.get_result_raw(options)` | `handle.result().await`, and the error's [`kind`](crate::Error::kind) |
//! | `handle.signal(W::approve, input, WorkflowSignalOptions::default())` | `handle.signal(Approve).arg(&input).await?` |
//! | `UntypedSignal::new("approve")` with a `RawValue` | `handle.signal("approve").arg(&input).await?` |
//! | `handle.query(W::state, (), WorkflowQueryOptions::default())` | `handle.query(State).await?` |
//! | `handle.execute_update(W::add, input, options)` | `handle.execute_update(Add).arg(&input).await?` |
//! | `handle.start_update(W::add, input, options)` with `WorkflowUpdateWaitStage` | `handle.start_update(Add).arg(&input).wait_for_stage(stage).await?` |
//! | `handle.cancel(WorkflowCancelOptions::builder().reason(r).build())` | `handle.cancel().reason(r).await?` |
//! | `handle.terminate(options)` | `handle.terminate().reason(r).detail(&value).await?` |
//! | `handle.fetch_history(options)`, all at once | `handle.fetch_history().await?`, or the stream `handle.fetch_history_events()` |
//! | `client.list_workflows(query, WorkflowListOptions::builder().limit(10).build())` | `client.list_workflows(query).limit(10)` |
//! | `connection.workflow_service()` with a tonic request | `client.call(request).await?` |
//!
//! # What behaves otherwise
//!
//! - **A handle of a start is not bound to the run that it started.** Signals, queries, updates, cancellations and
//!   terminations reach the workflow's latest run, also after it continued as new. Its result is that of its own run.
//!   [`WorkflowHandle::with_run_id`](crate::WorkflowHandle::with_run_id) binds it.
//! - **Cancellations, terminations and updates name the first run of the chain**, so they cannot hit another workflow
//!   that took the id since.
//! - **Failures are decoded**: through the codec, with details, types and causes, as a chain of
//!   [`Failure`](crate::Failure)s that is also the error's chain of sources.
//! - **There is one error type**, [`Error`](crate::Error), in place of one for each kind of call.
//! - **Options are methods of the call**, in place of a structure for each; every call has deadlines and metadata.
//!
//! # Definitions
//!
//! With the feature `temporalio`, the definitions of workflows that are written for the official SDK are taken as they
//! are: `client.start_workflow(Order::run)`, `handle.signal(Order::approve)`; the page of the module `temporalio` tells
//! more. Without it, and for workflows in other languages, [`workflow!`](crate::workflow) and its like say in one line
//! what a call needs to know of them:
//!
//! ```
//! use evertide_client::{query, signal, update, workflow};
//!
//! workflow!(pub Order = "OrderWorkflow", (String) -> u32, handles [Approve, State, Add]);
//! signal!(pub Approve = "approve", (String));
//! query!(pub State = "state", () -> String);
//! update!(pub Add = "add", (u32) -> u32);
//! ```
