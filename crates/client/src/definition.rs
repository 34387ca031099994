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

use crate::payload::{Args, ResultValue};

/// A workflow type with its name, arguments and result.
pub trait Workflow: Send + Sync + 'static {
    /// The name that workers register it by.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
    /// What it returns.
    type Output: ResultValue;
}

/// A signal with its name and arguments.
pub trait Signal: Send + Sync + 'static {
    /// The name that the workflow's handler has.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
}

/// A query with its name, arguments and result.
pub trait Query: Send + Sync + 'static {
    /// The name that the workflow's handler has.
    const NAME: &'static str;
    /// Its arguments.
    type Args: Args;
    /// What it returns.
    type Output: ResultValue;
}

/// An update with its name, arguments and result.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for `{M}`",
    note = "list `{M}` in `handles [...]` of the workflow's definition, or write `impl Handles<{M}> for {Self} {{}}`"
)]
pub trait Handles<M> {}

impl<M> Handles<M> for Untyped {}

/// Stands for a type that is not known: the handle of a workflow named by a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Untyped {}

/// Stands for a result type that is known.
#[derive(Debug)]
pub struct Typed<T>(PhantomData<fn() -> T>);

/// Stands for arguments that are not known: any values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnyArgs {}

/// Says which results a caller may ask for: the one of the definition, or any if there is none.
pub trait ResultAs<T> {}

impl<T> ResultAs<T> for Untyped {}
impl<T> ResultAs<T> for Typed<T> {}

/// Arguments of which the number is known, or [`AnyArgs`].
pub trait KnownArgs: Send + 'static {
    /// How many arguments there must be, if that is known.
    const COUNT: Option<usize>;
}

impl KnownArgs for AnyArgs {
    const COUNT: Option<usize> = None;
}

impl<A: Args> KnownArgs for A {
    const COUNT: Option<usize> = Some(A::COUNT);
}

/// What names a workflow: a string, or a [`Workflow`].
pub trait WorkflowName {
    /// The workflow that a handle is for.
    type Workflow: 'static;
    /// The arguments.
    type Args: KnownArgs;
    /// The result.
    type Output: 'static;
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a signal to a workflow `W`: a string, or a [`Signal`].
pub trait SignalName<W> {
    /// The arguments.
    type Args: KnownArgs;
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a query of a workflow `W`: a string, or a [`Query`].
pub trait QueryName<W> {
    /// The arguments.
    type Args: KnownArgs;
    /// The result.
    type Output: 'static;
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names an update of a workflow `W`: a string, or an [`Update`].
pub trait UpdateName<W> {
    /// The arguments.
    type Args: KnownArgs;
    /// The result.
    type Output: 'static;
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

macro_rules! string_names {
    ($($string:ty => |$name:ident| $owned:expr;)*) => {
        $(
            impl WorkflowName for $string {
                type Workflow = Untyped;
                type Args = AnyArgs;
                type Output = Untyped;
                fn into_name(self) -> Cow<'static, str> {
                    let $name = self;
                    Cow::Owned($owned)
                }
            }

            impl<W> SignalName<W> for $string {
                type Args = AnyArgs;
                fn into_name(self) -> Cow<'static, str> {
                    let $name = self;
                    Cow::Owned($owned)
                }
            }

            impl<W> QueryName<W> for $string {
                type Args = AnyArgs;
                type Output = Untyped;
                fn into_name(self) -> Cow<'static, str> {
                    let $name = self;
                    Cow::Owned($owned)
                }
            }

            impl<W> UpdateName<W> for $string {
                type Args = AnyArgs;
                type Output = Untyped;
                fn into_name(self) -> Cow<'static, str> {
                    let $name = self;
                    Cow::Owned($owned)
                }
            }
        )*
    };
}

string_names! {
    &str => |name| name.to_owned();
    &String => |name| name.clone();
    String => |name| name;
}

impl<D: Workflow> WorkflowName for D {
    type Workflow = D;
    type Args = D::Args;
    type Output = Typed<D::Output>;
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Signal> SignalName<W> for D {
    type Args = D::Args;
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Query> QueryName<W> for D {
    type Args = D::Args;
    type Output = Typed<D::Output>;
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

impl<W: Handles<D>, D: Update> UpdateName<W> for D {
    type Args = D::Args;
    type Output = Typed<D::Output>;
    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(D::NAME)
    }
}

/// Defines a [`Workflow`]: `workflow!(pub Order = "OrderWorkflow", (String,) -> u32, handles [Approve])`.
///
/// The arguments are a tuple, also if it is one alone. The list of what it handles may be left out.
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
