//! Names of workflows and their messages, as strings or as types.
//!
//! Every call that names a workflow, a signal, a query or an update takes either a string or a definition. A string
//! takes any arguments and gives whatever result the caller asks for. A definition is a type that carries its name, its
//! arguments and its result, so that the compiler checks both:
//!
//! ```
//! use evertide_client::{query, signal, update, workflow};
//!
//! workflow!(pub Order = "OrderWorkflow", (String, u32) -> String, handles [Approve, State, AddItem]);
//! signal!(pub Approve = "approve", (String,));
//! query!(pub State = "state", () -> String);
//! update!(pub AddItem = "add_item", (u32,) -> u32);
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;

use evertide_proto::common::Payload;

use crate::error::{Error, Result};
use crate::payload::{self, Args, ResultValue};

/// A workflow type with its name, arguments and result.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::Workflow;
///
/// struct Order;
///
/// impl Workflow for Order {
///     const NAME: &'static str = "OrderWorkflow";
///     type Args = (String, u32);
///     type Output = u32;
/// }
///
/// let order = client.start_workflow(Order).id("order-7").task_queue("orders").args(("tea".to_owned(), 3)).await?;
/// assert_eq!(order.describe().await?.workflow_type(), "OrderWorkflow");
/// # Ok(())
/// # }
/// ```
pub trait Workflow: Send + Sync + 'static {
    /// The name that workers register it by.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
    /// What it returns.
    type Output: ResultValue;
}

/// A signal with its name and arguments.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::Signal;
///
/// struct Approve;
///
/// impl Signal for Approve {
///     const NAME: &'static str = "approve";
///     type Args = (String,);
/// }
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.signal(Approve).arg("Ada").await?;
/// # Ok(())
/// # }
/// ```
pub trait Signal: Send + Sync + 'static {
    /// The name that the workflow's handler has.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
}

/// A query with its name, arguments and result.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use evertide_client::Query;
///
/// struct State;
///
/// impl Query for State {
///     const NAME: &'static str = "state";
///     type Args = ();
///     type Output = String;
/// }
///
/// let state: String = order.query(State).await?;
/// # Ok(())
/// # }
/// ```
pub trait Query: Send + Sync + 'static {
    /// The name that the workflow's handler has.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
    /// What it returns.
    type Output: ResultValue;
}

/// An update with its name, arguments and result.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use evertide_client::Update;
///
/// struct AddItem;
///
/// impl Update for AddItem {
///     const NAME: &'static str = "add_item";
///     type Args = (u32,);
///     type Output = u32;
/// }
///
/// let items: u32 = order.execute_update(AddItem).arg(&7).await?;
/// # Ok(())
/// # }
/// ```
pub trait Update: Send + Sync + 'static {
    /// The name that the workflow's handler has.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
    /// What it returns.
    type Output: ResultValue;
}

/// Says that a workflow has a handler for a signal, a query or an update.
///
/// A handle without a type accepts every definition; a handle of a [`Workflow`] those that it handles, and any string.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::{Handles, signal, workflow};
///
/// workflow!(Order = "OrderWorkflow", () -> u32);
/// signal!(Approve = "approve", (String,));
///
/// impl Handles<Approve> for Order {}
///
/// let order = client.start_workflow(Order).id("order-7").task_queue("orders").await?;
/// order.signal(Approve).arg("Ada").await?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for `{M}`",
    note = "list `{M}` in `handles [...]` of the workflow's definition, or write `impl Handles<{M}> for {Self} {{}}`"
)]
pub trait Handles<M> {}

impl<M> Handles<M> for Untyped {}

/// Stands for what is not known: the handle of a workflow that is named by a string, the result of a message that is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
/// use evertide_client::{Untyped, WorkflowHandle, workflow};
///
/// workflow!(Order = "OrderWorkflow", () -> u32);
///
/// let plain: WorkflowHandle<Untyped> = client.get_workflow_handle("order-7");
/// let order: WorkflowHandle<Order> = client.get_workflow_handle_for("order-7");
/// assert_eq!(order.untyped(), plain);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Untyped {}

/// Stands for a result type that is known.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
/// use evertide_client::{Typed, UpdateHandle, update};
///
/// update!(AddItem = "add_item", (u32,) -> u32);
///
/// let order = client.get_workflow_handle("order-7");
/// let update: UpdateHandle<Typed<u32>> = order.get_update_handle_for(AddItem, "u-1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Typed<T>(PhantomData<fn() -> T>);

/// Stands for arguments that are not known: any values.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::{AnyArgs, StartWorkflow, Untyped};
///
/// fn as_usual(start: StartWorkflow<AnyArgs, Untyped>) -> StartWorkflow<AnyArgs, Untyped> {
///     start.task_queue("orders").run_timeout(Duration::from_secs(3600))
/// }
///
/// let order = as_usual(client.start_workflow("Order").id("order-7")).arg("tea").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnyArgs {}

/// How a result is read from its payloads; the text says whose result it is.
pub(crate) type Reader<T> = fn(&[Payload], &str) -> Result<T>;

/// Says which results a caller may ask for, and how they are read: the one of the definition, or any if there is none.
///
/// ```
/// use evertide_client::payload::to_payload;
/// use evertide_client::{ResultAs, Typed, Untyped};
///
/// let payloads = [to_payload(&3)?];
/// let any: u64 = Untyped::read(&payloads, "the total")?;
/// let defined: u32 = Typed::<u32>::read(&payloads, "the total")?;
/// assert_eq!((any, defined), (3, 3));
/// # Ok::<(), evertide_client::Error>(())
/// ```
pub trait ResultAs<T> {
    /// Reads the result from its payloads, which the codec has decoded. `of` says whose it is, for the error.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not a `T`.
    fn read(payloads: &[Payload], of: &str) -> Result<T>;
}

impl<T: ResultValue> ResultAs<T> for Untyped {
    fn read(payloads: &[Payload], of: &str) -> Result<T> {
        payload::first(payloads, of)
    }
}

impl<T: ResultValue> ResultAs<T> for Typed<T> {
    fn read(payloads: &[Payload], of: &str) -> Result<T> {
        payload::first(payloads, of)
    }
}

/// Arguments of which the number is known, or [`AnyArgs`].
///
/// ```
/// use evertide_client::{AnyArgs, KnownArgs};
///
/// assert!(<(String, u32)>::check_count(2).is_ok());
/// assert!(<(String, u32)>::check_count(1).is_err());
/// assert!(AnyArgs::check_count(1).is_ok());
/// ```
pub trait KnownArgs: Send + 'static {
    /// Checks that so many arguments were given as there must be.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument).
    fn check_count(given: usize) -> Result<()>;
}

impl KnownArgs for AnyArgs {
    fn check_count(_: usize) -> Result<()> {
        Ok(())
    }
}

impl<A: Args> KnownArgs for A {
    fn check_count(given: usize) -> Result<()> {
        match given == A::COUNT {
            true => Ok(()),
            false => {
                Err(Error::invalid(format!("the definition takes {} arguments, and {given} were given", A::COUNT)))
            }
        }
    }
}

/// What can be given by reference as an argument of type `I`: an `I`, for a `String` also a `str`, and for a `Vec` also
/// a slice.
///
/// ```
/// use evertide_client::AsArg;
///
/// fn length(text: &(impl AsArg<String> + ?Sized)) -> usize {
///     text.lend(String::len)
/// }
/// assert_eq!((length("Ada"), length(&"Grace".to_owned())), (3, 5));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what the definition takes as its argument, a `{I}`",
    label = "a `{I}` is expected here"
)]
pub trait AsArg<I> {
    /// Lends the argument as what the definition takes.
    fn lend<T>(&self, to: impl FnOnce(&I) -> T) -> T;
}

impl<I> AsArg<I> for I {
    fn lend<T>(&self, to: impl FnOnce(&I) -> T) -> T {
        to(self)
    }
}

impl AsArg<String> for str {
    fn lend<T>(&self, to: impl FnOnce(&String) -> T) -> T {
        to(&self.to_owned())
    }
}

impl<E: Clone> AsArg<Vec<E>> for [E] {
    fn lend<T>(&self, to: impl FnOnce(&Vec<E>) -> T) -> T {
        to(&self.to_vec())
    }
}

/// What a name tells of arguments and result: nothing, if it is a string, or all that its definition says.
///
/// It is what tells the ways of naming something apart, so that each of them can have an implementation for every type
/// with its kind of definition. The compiler infers it.
///
/// ```
/// use evertide_client::{Known, WorkflowName, workflow};
///
/// workflow!(Order = "OrderWorkflow", (String,) -> u32);
///
/// /// What the compiler knows about a name.
/// fn args_of<W: Known>(_: impl WorkflowName<W>) -> &'static str {
///     std::any::type_name::<W::Args>().rsplit("::").next().unwrap()
/// }
///
/// assert_eq!(args_of(Order), "String,)");
/// assert_eq!(args_of("Order"), "AnyArgs");
/// ```
pub trait Known {
    /// The arguments.
    type Args: KnownArgs;
    /// The result.
    type Output: 'static;
}

impl Known for Untyped {
    type Args = AnyArgs;
    type Output = Self;
}

/// What definitions of this crate tell: arguments and result.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// use evertide_client::{Defined, QueryName, Result, Untyped, WorkflowHandle, query};
///
/// query!(Count = "count", () -> u32);
///
/// /// Takes any query without arguments that gives a number.
/// async fn ask(handle: &WorkflowHandle, query: impl QueryName<Untyped, Defined<(), u32>>) -> Result<u32> {
///     handle.query(query).await
/// }
///
/// let count = ask(&order, Count).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Defined<A, T>(PhantomData<fn(A) -> T>);

impl<A: KnownArgs, T: 'static> Known for Defined<A, T> {
    type Args = A;
    type Output = Typed<T>;
}

impl<D: Workflow> Known for D {
    type Args = D::Args;
    type Output = Typed<D::Output>;
}

/// What names a workflow: a string, or a [`Workflow`]. `W` is what its handle is for.
///
/// ```
/// use evertide_client::{Known, WorkflowName, workflow};
///
/// workflow!(Order = "OrderWorkflow", (String,) -> u32);
///
/// fn name<W: Known>(workflow: impl WorkflowName<W>) -> String {
///     workflow.into_name().into_owned()
/// }
///
/// assert_eq!((name("Order"), name(Order)), ("Order".to_owned(), "OrderWorkflow".to_owned()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a workflow",
    note = "strings do, and definitions: of `workflow!`, or of the official SDK with the feature `temporalio`"
)]
pub trait WorkflowName<W: Known> {
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a signal to a workflow `W`: a string, or a [`Signal`].
///
/// ```
/// use evertide_client::{Known, SignalName, Untyped, signal};
///
/// signal!(Approve = "approve", (String,));
///
/// fn name<K: Known>(signal: impl SignalName<Untyped, K>) -> String {
///     signal.into_name().into_owned()
/// }
///
/// assert_eq!(name("approve"), name(Approve));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a signal to `{W}`",
    note = "strings do, and definitions: of `signal!`, or of the official SDK with the feature `temporalio`, if they \
            are of this workflow"
)]
pub trait SignalName<W, K: Known> {
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a query of a workflow `W`: a string, or a [`Query`].
///
/// ```
/// use evertide_client::{Known, QueryName, Untyped, query};
///
/// query!(State = "state", () -> String);
///
/// fn name<K: Known>(query: impl QueryName<Untyped, K>) -> String {
///     query.into_name().into_owned()
/// }
///
/// assert_eq!(name("state"), name(State));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a query of `{W}`",
    note = "strings do, and definitions: of `query!`, or of the official SDK with the feature `temporalio`, if they \
            are of this workflow"
)]
pub trait QueryName<W, K: Known> {
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names an update of a workflow `W`: a string, or an [`Update`].
///
/// ```
/// use evertide_client::{Known, Untyped, UpdateName, update};
///
/// update!(AddItem = "add_item", (u32,) -> u32);
///
/// fn name<K: Known>(update: impl UpdateName<Untyped, K>) -> String {
///     update.into_name().into_owned()
/// }
///
/// assert_eq!(name("add_item"), name(AddItem));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an update of `{W}`",
    note = "strings do, and definitions: of `update!`, or of the official SDK with the feature `temporalio`, if they \
            are of this workflow"
)]
pub trait UpdateName<W, K: Known> {
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

macro_rules! string_names {
    ($($string:ty),* $(,)?) => {
        $(
            impl WorkflowName<Untyped> for $string {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.into())
                }
            }

            impl<W> SignalName<W, Untyped> for $string {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.into())
                }
            }

            impl<W> QueryName<W, Untyped> for $string {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.into())
                }
            }

            impl<W> UpdateName<W, Untyped> for $string {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.into())
                }
            }
        )*
    };
}

string_names!(&str, &String, String);

impl<D: Workflow> WorkflowName<D> for D {
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Signal> SignalName<W, Defined<D::Args, ()>> for D {
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Query> QueryName<W, Defined<D::Args, D::Output>> for D {
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Update> UpdateName<W, Defined<D::Args, D::Output>> for D {
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

/// Defines a [`Workflow`]: `workflow!(pub Order = "OrderWorkflow", (String,) -> u32, handles [Approve])`.
///
/// The arguments are a tuple, also if it is one alone. The list of what it handles may be left out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use evertide_client::{signal, workflow};
///
/// workflow!(Order = "OrderWorkflow", (String, u32) -> u32, handles [Approve]);
/// signal!(Approve = "approve", (String,));
///
/// let order = client.start_workflow(Order).id("order-7").task_queue("orders").args(("tea".to_owned(), 3)).await?;
/// order.signal(Approve).arg("Ada").await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! workflow {
    ($(#[$meta:meta])* $vis:vis $name:ident = $wire:literal, ($($arg:ty),* $(,)?) -> $output:ty
     $(, handles [$($message:ty),* $(,)?])? $(,)?) => {
        $(#[$meta])*
        #[doc = concat!("The workflow `", $wire, "`.")]
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $crate::Workflow for $name {
            const NAME: &'static str = $wire;
            type Args = ($($arg,)*);
            type Output = $output;
        }

        $($(impl $crate::Handles<$message> for $name {})*)?
    };
}

/// Defines a [`Signal`]: `signal!(pub Approve = "approve", (String,))`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// evertide_client::signal!(Approve = "approve", (String,));
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.signal(Approve).arg("Ada").await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! signal {
    ($(#[$meta:meta])* $vis:vis $name:ident = $wire:literal, ($($arg:ty),* $(,)?) $(,)?) => {
        $(#[$meta])*
        #[doc = concat!("The signal `", $wire, "`.")]
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $crate::Signal for $name {
            const NAME: &'static str = $wire;
            type Args = ($($arg,)*);
        }
    };
}

/// Defines a [`Query`]: `query!(pub State = "state", () -> String)`.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// evertide_client::query!(State = "state", () -> String);
///
/// let state: String = order.query(State).await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! query {
    ($(#[$meta:meta])* $vis:vis $name:ident = $wire:literal, ($($arg:ty),* $(,)?) -> $output:ty $(,)?) => {
        $(#[$meta])*
        #[doc = concat!("The query `", $wire, "`.")]
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $crate::Query for $name {
            const NAME: &'static str = $wire;
            type Args = ($($arg,)*);
            type Output = $output;
        }
    };
}

/// Defines an [`Update`]: `update!(pub AddItem = "add_item", (u32,) -> u32)`.
///
/// ```no_run
/// # async fn run(order: evertide_client::WorkflowHandle) -> evertide_client::Result<()> {
/// evertide_client::update!(AddItem = "add_item", (u32,) -> u32);
///
/// let items: u32 = order.execute_update(AddItem).arg(&7).await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! update {
    ($(#[$meta:meta])* $vis:vis $name:ident = $wire:literal, ($($arg:ty),* $(,)?) -> $output:ty $(,)?) => {
        $(#[$meta])*
        #[doc = concat!("The update `", $wire, "`.")]
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $crate::Update for $name {
            const NAME: &'static str = $wire;
            type Args = ($($arg,)*);
            type Output = $output;
        }
    };
}
