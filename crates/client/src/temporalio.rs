//! Workflows that are written for the official Rust SDK, as definitions. With the feature `temporalio`.
//!
//! The SDK's macros make a constant for each handler of a workflow. A handle takes it wherever it takes a name, and the
//! compiler then knows the argument and the result:
//!
//! ```
//! # mod order {
//! # use evertide_client::temporalio::common::{
//! #     HasWorkflowDefinition, QueryDefinition, SignalDefinition, WorkflowDefinition,
//! # };
//! # pub struct Run;
//! # pub struct Approve;
//! # pub struct Stage;
//! # impl WorkflowDefinition for Run {
//! #     type Input = String;
//! #     type Output = u32;
//! #     fn name(&self) -> &str {
//! #         "Order"
//! #     }
//! # }
//! # impl HasWorkflowDefinition for Run {
//! #     type Run = Self;
//! # }
//! # impl SignalDefinition for Approve {
//! #     type Workflow = Run;
//! #     type Input = String;
//! #     fn name(&self) -> &str {
//! #         "approve"
//! #     }
//! # }
//! # impl QueryDefinition for Stage {
//! #     type Workflow = Run;
//! #     type Input = ();
//! #     type Output = String;
//! #     fn name(&self) -> &str {
//! #         "stage"
//! #     }
//! # }
//! # }
//! # struct Order;
//! # #[allow(non_upper_case_globals)]
//! # impl Order {
//! #     const run: order::Run = order::Run;
//! #     const approve: order::Approve = order::Approve;
//! #     const stage: order::Stage = order::Stage;
//! # }
//! # async fn run(client: evertide_client::Client) -> evertide_client::Result<()> {
//! // `Order` has `#[workflow]`, its methods have `#[run]`, `#[signal]` and `#[query]`.
//! let order = client.start_workflow(Order::run).id("order-7").task_queue("orders").arg("tea").await?;
//! order.signal(Order::approve).arg("Ada").await?;
//! let stage = order.query(Order::stage).await?;
//! let total = order.result().await?;
//! # let _: (String, u32) = (stage, total);
//! # Ok(())
//! # }
//! ```
//!
//! Such a handle is a `WorkflowHandle<Of<Order>>`, which is also what
//! [`get_workflow_handle_for`](crate::Client::get_workflow_handle_for) is asked for. It takes the messages of its own
//! workflow; a handle without a type takes those of any. A codec and everything else of the client work as for other
//! calls; only the conversion between values and payloads is the SDK's own, so that what its workers read is what they
//! would have written.

/// The crate of the SDK whose traits these are, in the version that this crate is built with.
pub use temporalio_common_wasm as common;

use std::any::TypeId;
use std::borrow::Cow;
use std::marker::PhantomData;

use evertide_proto::common::Payload;
use evertide_proto::prost::{DecodeError, Message};
use temporalio_common_wasm::data_converters::{
    GenericPayloadConverter, PayloadConversionError, PayloadConverter, SerializationContext, SerializationContextData,
    TemporalDeserializable, TemporalSerializable, WorkflowSerializationContext,
};
use temporalio_common_wasm::protos::temporal::api::common::v1::Payload as SdkPayload;
use temporalio_common_wasm::{
    HasWorkflowDefinition, QueryDefinition, SignalDefinition, UpdateDefinition, WorkflowDefinition,
};

use crate::definition::{Known, KnownArgs, QueryName, ResultAs, SignalName, Untyped, UpdateName, WorkflowName};
use crate::error::{Error, Result};
use crate::handle::{UpdateHandle, UpdateResult, WorkflowHandle, WorkflowResult};
use crate::payload::{self, NULL};

/// What a handle is for: the workflow whose `#[run]` method has the definition `R`. See [`Of`].
///
/// ```
/// use evertide_client::temporalio::Run;
/// use evertide_client::temporalio::common::WorkflowDefinition;
/// use evertide_client::{Result, WorkflowHandle};
///
/// /// Ends any workflow that is defined by the SDK.
/// async fn end<R: WorkflowDefinition + 'static>(workflow: &WorkflowHandle<Run<R>>) -> Result<()> {
///     workflow.terminate().reason("it is not needed any more").await
/// }
/// ```
#[derive(Debug)]
pub struct Run<R>(PhantomData<fn() -> R>);

/// What a handle of a workflow struct is for: `WorkflowHandle<Of<Order>>`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = evertide_client::Client::connect("localhost:7233").lazy().await?;
/// # use evertide_client::temporalio::common::{HasWorkflowDefinition, WorkflowDefinition};
/// # struct Order;
/// # impl WorkflowDefinition for Order {
/// #     type Input = String;
/// #     type Output = u32;
/// #     fn name(&self) -> &str {
/// #         "Order"
/// #     }
/// # }
/// # impl HasWorkflowDefinition for Order {
/// #     type Run = Self;
/// # }
/// use evertide_client::temporalio::Of;
///
/// // `Order` has `#[workflow]`.
/// let order = client.get_workflow_handle_for::<Of<Order>>("order-7");
/// # Ok(())
/// # }
/// ```
pub type Of<W> = Run<<W as HasWorkflowDefinition>::Run>;

/// What a definition of the SDK tells: its argument and its result.
///
/// ```
/// use evertide_client::temporalio::Defined;
/// use evertide_client::{QueryName, Result, Untyped, WorkflowHandle};
///
/// /// Takes any query without an argument that gives a number.
/// async fn ask(handle: &WorkflowHandle, query: impl QueryName<Untyped, Defined<(), u32>>) -> Result<u32> {
///     handle.query(query).await
/// }
/// ```
#[derive(Debug)]
pub struct Defined<I, T>(PhantomData<fn(I) -> T>);

/// The argument of a definition: one value, which may stand for several.
///
/// ```
/// use evertide_client::KnownArgs;
/// use evertide_client::temporalio::Arg;
///
/// assert!(Arg::<()>::check_count(0).is_ok());
/// assert!(Arg::<String>::check_count(0).is_err());
/// assert!(Arg::<(String, u32)>::check_count(2).is_ok(), "one argument may stand for several");
/// ```
#[derive(Debug)]
pub struct Arg<I>(PhantomData<fn(I)>);

/// The result of a definition.
///
/// ```
/// use evertide_client::temporalio::Typed;
/// use evertide_client::{Result, UpdateHandle};
///
/// /// Waits for any update of a definition that gives a number.
/// async fn outcome(update: &UpdateHandle<Typed<u32>>) -> Result<u32> {
///     update.result().await
/// }
/// ```
#[derive(Debug)]
pub struct Typed<T>(PhantomData<fn() -> T>);

impl<R> Known for Run<R>
where
    R: WorkflowDefinition + 'static,
{
    type Args = Arg<R::Input>;
    type Output = Typed<R::Output>;
}

impl<I: 'static, T: 'static> Known for Defined<I, T> {
    type Args = Arg<I>;
    type Output = Typed<T>;
}

impl<I: 'static> KnownArgs for Arg<I> {
    /// Several values in one make as many payloads, so only that there is none can be wrong.
    fn check_count(given: usize) -> Result<()> {
        match given == 0 && TypeId::of::<I>() != TypeId::of::<()>() {
            true => Err(Error::invalid(format!(
                "the definition takes an argument, a {}, and none was given",
                std::any::type_name::<I>()
            ))),
            false => Ok(()),
        }
    }
}

impl<T: TemporalDeserializable + 'static> ResultAs<T> for Typed<T> {
    fn read(payloads: &[Payload], of: &str) -> Result<T> {
        from_payloads(payloads).map_err(|error| {
            Error::conversion(format!("the payloads of {of} are not a {}: {error}", std::any::type_name::<T>()))
        })
    }
}

impl<D: HasWorkflowDefinition<Run: 'static>> WorkflowName<Run<D::Run>> for D {
    fn into_name(self) -> Cow<'static, str> {
        Cow::Owned(self.name().to_owned())
    }
}

/// A message of a workflow is for handles of that workflow, and for those without a type.
macro_rules! message_names {
    ($($name:ident of $definition:ident gives $output:ty;)*) => {
        $(
            impl<D: $definition> $name<Run<D::Workflow>, Defined<D::Input, $output>> for D {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.name().to_owned())
                }
            }

            impl<D: $definition> $name<Untyped, Defined<D::Input, $output>> for D {
                fn into_name(self) -> Cow<'static, str> {
                    Cow::Owned(self.name().to_owned())
                }
            }
        )*
    };
}

message_names! {
    SignalName of SignalDefinition gives ();
    QueryName of QueryDefinition gives D::Output;
    UpdateName of UpdateDefinition gives D::Output;
}

impl<R: WorkflowDefinition + 'static> WorkflowHandle<Run<R>> {
    /// Waits until the workflow closes and gives its result, as for a handle without a definition.
    ///
    /// ```
    /// use evertide_client::temporalio::Run;
    /// use evertide_client::temporalio::common::WorkflowDefinition;
    /// use evertide_client::{Result, WorkflowHandle};
    ///
    /// /// Waits for any workflow that gives a number.
    /// async fn total<R>(order: &WorkflowHandle<Run<R>>) -> Result<u32>
    /// where
    ///     R: WorkflowDefinition<Output = u32> + 'static,
    /// {
    ///     order.result().await
    /// }
    /// ```
    ///
    /// # Errors
    /// As for a handle without a definition.
    pub fn result(&self) -> WorkflowResult<R::Output> {
        self.wait()
    }
}

impl<T: TemporalDeserializable + 'static> UpdateHandle<Typed<T>> {
    /// Waits for the update's outcome. Nothing is sent if it is known already.
    ///
    /// ```
    /// use evertide_client::temporalio::Typed;
    /// use evertide_client::{Result, UpdateHandle};
    ///
    /// async fn items(update: &UpdateHandle<Typed<u32>>) -> Result<u32> {
    ///     update.result().await
    /// }
    /// ```
    ///
    /// # Errors
    /// As for a handle without a definition.
    pub fn result(&self) -> UpdateResult<T> {
        self.wait()
    }
}

/// The payloads of an argument, as the SDK's default converter writes them.
pub(crate) fn to_payloads<I: TemporalSerializable + 'static>(argument: &I) -> Result<Vec<Payload>> {
    let convert = || -> std::result::Result<Vec<Payload>, Box<dyn std::error::Error>> {
        let payloads = converting(|converter, context| converter.to_payloads(context, argument))?;
        Ok(payloads.iter().map(translate).collect::<std::result::Result<_, _>>()?)
    };
    convert().map_err(|error| Error::conversion(format!("a {} cannot be sent: {error}", std::any::type_name::<I>())))
}

fn from_payloads<T>(payloads: &[Payload]) -> std::result::Result<T, Box<dyn std::error::Error>>
where
    T: TemporalDeserializable + 'static,
{
    let payloads: Vec<SdkPayload> = payloads.iter().map(translate).collect::<std::result::Result<_, _>>()?;
    let nothing = payloads.is_empty();
    match converting(|converter, context| converter.from_payloads(context, payloads)) {
        // Where other SDKs send nothing, this one reads a null.
        Err(PayloadConversionError::WrongEncoding) if nothing => {
            let null = translate(&payload::payload(NULL, bytes::Bytes::new()))?;
            Ok(converting(|converter, context| converter.from_payload(context, null))?)
        }
        converted => Ok(converted?),
    }
}

fn converting<T>(convert: impl FnOnce(&PayloadConverter, &SerializationContext<'_>) -> T) -> T {
    let converter = PayloadConverter::default();
    let workflow = SerializationContextData::Workflow(WorkflowSerializationContext::new());
    convert(&converter, &SerializationContext::new(&workflow, &converter))
}

/// The same message in the types of the other crate. Both come from one definition, so nothing is lost.
fn translate<From: Message, To: Message + Default>(message: &From) -> std::result::Result<To, DecodeError> {
    To::decode(message.encode_to_vec().as_slice())
}

#[cfg(test)]
mod tests;
