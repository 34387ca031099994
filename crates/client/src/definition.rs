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

/// Stands for what is not known: the handle of a workflow that is named by a string, the result of a message that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Untyped {}

/// Stands for a result type that is known.
#[derive(Debug)]
pub struct Typed<T>(PhantomData<fn() -> T>);

/// Stands for arguments that are not known: any values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnyArgs {}

/// How a result is read from its payloads; the text says whose result it is.
pub(crate) type Reader<T> = fn(&[Payload], &str) -> Result<T>;

/// Says which results a caller may ask for, and how they are read: the one of the definition, or any if there is none.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a workflow",
    note = "strings do, and definitions: of `workflow!`, or of the official SDK with the feature `temporalio`"
)]
pub trait WorkflowName<W: Known> {
    /// The name.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a signal to a workflow `W`: a string, or a [`Signal`].
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
