//! `WorkflowHandle::query`.

use std::borrow::Cow;
use std::marker::PhantomData;

use evertide_proto::common::Payload;
use evertide_proto::enums::QueryRejectCondition;
use evertide_proto::query::WorkflowQuery;
use evertide_proto::workflowservice::{QueryWorkflowRequest, QueryWorkflowResponse};
use tonic::Code;

use super::Ids;
use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::codec::BoundCodec;
use crate::definition::{KnownArgs, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::failure::{Failure, query_failure};
use crate::input::{Input, takes_args};

/// A query that is being made; awaiting it sends it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = evertide_server::Server::builder().start().await?;
/// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
/// use std::time::Duration;
///
/// use evertide_client::{ErrorKind, QueryRejectCondition, WorkflowExecutionStatus};
///
/// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
/// order.terminate().await?;
/// let state = order.query::<String, _>("state").arg(&true).reject_condition(QueryRejectCondition::NotOpen);
/// let error = state.rpc_timeout(Duration::from_secs(5)).await.unwrap_err();
/// let terminated = Some(WorkflowExecutionStatus::Terminated);
/// assert!(matches!(error.kind(), ErrorKind::QueryRejected { status } if *status == terminated));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a query is sent when it is awaited"]
pub struct QueryCall<A, T> {
    client: Client,
    ids: Ids,
    name: Cow<'static, str>,
    input: Input,
    reject_condition: Option<QueryRejectCondition>,
    options: CallOptions,
    read: Reader<T>,
    args: PhantomData<fn(A)>,
}

call_options!(QueryCall<A, T>);
takes_args!(QueryCall<T>);

impl<A, T> QueryCall<A, T> {
    pub(super) fn new(client: Client, ids: Ids, name: Cow<'static, str>, read: Reader<T>) -> Self {
        Self {
            reject_condition: client.settings().query_reject_condition,
            client,
            ids,
            name,
            input: Input::default(),
            options: CallOptions::default(),
            read,
            args: PhantomData,
        }
    }

    /// In which states the workflow shall not be queried. Without one the client's default holds, and without that
    /// the query is always delivered.
    pub fn reject_condition(mut self, condition: QueryRejectCondition) -> Self {
        self.reject_condition = Some(condition);
        self
    }
}

impl<A: KnownArgs, T> QueryCall<A, T> {
    async fn run(self) -> Result<T> {
        self.ids.check()?;
        if self.name.is_empty() {
            return Err(Error::invalid("the name of the query is empty"));
        }
        let request = QueryWorkflowRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.ids.execution()),
            query: Some(WorkflowQuery {
                query_type: self.name.into_owned(),
                query_args: self.input.finish::<A>()?,
                header: None,
            }),
            query_reject_condition: self.reject_condition.unwrap_or_default().into(),
        };
        let codec = self.ids.codec(&self.client);
        let client = self.client;
        self.options
            .run(async {
                match client.send(request, &self.options, &codec).await {
                    Ok(answer) => (self.read)(&result_of(answer, &codec).await?, "the query's result"),
                    Err(error) => Err(read_failure(error, &codec).await),
                }
            })
            .await
    }
}

async fn result_of(answer: QueryWorkflowResponse, codec: &BoundCodec) -> Result<Vec<Payload>> {
    if let Some(rejected) = answer.query_rejected {
        let status = (rejected.status != 0).then(|| rejected.status());
        return Err(Error::new(ErrorKind::QueryRejected { status }));
    }
    codec.decode(answer.query_result).await
}

/// INVALID_ARGUMENT is how servers tell that the workflow's handler failed.
async fn read_failure(error: Error, codec: &BoundCodec) -> Error {
    let Some(status) = error.grpc_status().filter(|status| status.code() == Code::InvalidArgument) else {
        return error;
    };
    let failure = match query_failure(status) {
        Some(failure) => match Failure::decode(failure, codec).await {
            Ok(failure) => Some(failure),
            Err(undecodable) => return undecodable,
        },
        None => None,
    };
    let message = status.message().to_owned();
    error.into_kind(ErrorKind::QueryFailed { message, failure })
}

impl<A: KnownArgs, T: Send + 'static> IntoFuture for QueryCall<A, T> {
    type Output = Result<T>;
    type IntoFuture = crate::call::CallFuture<T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
