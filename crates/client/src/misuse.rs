//! What the compiler refuses. Each wrong use stands below the right one, from which it differs in one place.
//!
//! The definitions of all examples:
//!
//! ```
//! use evertide_client::{query, signal, workflow};
//!
//! workflow!(Order = "Order", (String) -> u32, handles [Approve]);
//! signal!(Approve = "approve", (String));
//! query!(State = "state", () -> String);
//! ```
//!
//! # Arguments of a definition have their types
//!
//! ```no_run
//! # use evertide_client::{WorkflowHandle, signal, workflow};
//! # workflow!(Order = "Order", (String) -> u32, handles [Approve]);
//! # signal!(Approve = "approve", (String));
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<()> {
//! handle.signal(Approve).arg("Ada").await
//! # }
//! ```
//!
//! ```compile_fail
//! # use evertide_client::{WorkflowHandle, signal, workflow};
//! # workflow!(Order = "Order", (String) -> u32, handles [Approve]);
//! # signal!(Approve = "approve", (String));
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<()> {
//! handle.signal(Approve).arg(&7).await
//! # }
//! ```
//!
//! # A workflow gets only the messages that it handles
//!
//! ```no_run
//! # use evertide_client::{WorkflowHandle, query, workflow};
//! # workflow!(Order = "Order", (String) -> u32, handles [State]);
//! # query!(State = "state", () -> String);
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<String> {
//! handle.query(State).await
//! # }
//! ```
//!
//! ```compile_fail
//! # use evertide_client::{WorkflowHandle, query, workflow};
//! # workflow!(Order = "Order", (String) -> u32);
//! # query!(State = "state", () -> String);
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<String> {
//! handle.query(State).await
//! # }
//! ```
//!
//! # A result has the type of its definition
//!
//! ```no_run
//! # use evertide_client::{WorkflowHandle, workflow};
//! # workflow!(Order = "Order", (String) -> u32);
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<()> {
//! let total: u32 = handle.result().await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail
//! # use evertide_client::{WorkflowHandle, workflow};
//! # workflow!(Order = "Order", (String) -> u32);
//! # async fn run(handle: WorkflowHandle<Order>) -> evertide_client::Result<()> {
//! let total: String = handle.result().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A signal is no query
//!
//! ```no_run
//! # use evertide_client::{WorkflowHandle, signal};
//! # signal!(Approve = "approve", ());
//! # async fn run(handle: WorkflowHandle) -> evertide_client::Result<()> {
//! handle.signal(Approve).await
//! # }
//! ```
//!
//! ```compile_fail
//! # use evertide_client::{WorkflowHandle, signal};
//! # signal!(Approve = "approve", ());
//! # async fn run(handle: WorkflowHandle) -> evertide_client::Result<()> {
//! handle.query(Approve).await
//! # }
//! ```
//!
//! # A call that is not awaited does nothing, and says so
//!
//! ```no_run
//! #![deny(unused_must_use)]
//! # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
//! handle.cancel().await?;
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! # async fn run(handle: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
//! handle.cancel();
//! # Ok(())
//! # }
//! ```
