//! A server that gives every call the same short answer at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use evertide_client::Rpc;
use evertide_client::payload::to_payload;
use evertide_client::proto::common::{Payloads, WorkflowExecution};
use evertide_client::proto::enums::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage};
use evertide_client::proto::history::history_event::Attributes;
use evertide_client::proto::history::{History, HistoryEvent, WorkflowExecutionCompletedEventAttributes};
use evertide_client::proto::prost::Message;
use evertide_client::proto::prost::bytes::{Buf, BufMut, Bytes};
use evertide_client::proto::update::{Outcome, UpdateRef, outcome};
use evertide_client::proto::workflow::WorkflowExecutionInfo;
use evertide_client::proto::workflowservice::*;
use temporalio_client::callback_based::{CallbackBasedGrpcService, GrpcRequest, GrpcSuccessResponse};
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::{Request, Response};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tower::Service;

/// The argument by which this program becomes the fake.
pub(crate) const SERVE: &str = "serve";
const RUN_ID: &str = "01a204e3-0000-7000-8000-000000000000";

type Answers = BTreeMap<&'static str, Bytes>;

/// Every answer, by the method's name.
fn answers() -> Answers {
    let payloads = || Payloads { payloads: to_payload("in order").into_iter().collect() };
    let execution = || Some(WorkflowExecution { workflow_id: "order-1".to_owned(), run_id: RUN_ID.to_owned() });
    let completed = WorkflowExecutionCompletedEventAttributes { result: Some(payloads()), ..Default::default() };
    let close = HistoryEvent {
        event_id: 9,
        event_type: EventType::WorkflowExecutionCompleted.into(),
        attributes: Some(Attributes::WorkflowExecutionCompletedEventAttributes(Box::new(completed))),
        ..Default::default()
    };
    let outcome = Outcome { value: Some(outcome::Value::Success(payloads())) };
    let mut answers = Answers::new();
    add::<GetSystemInfoRequest>(&mut answers, Default::default());
    add::<SignalWorkflowExecutionRequest>(&mut answers, Default::default());
    add::<RequestCancelWorkflowExecutionRequest>(&mut answers, Default::default());
    add::<TerminateWorkflowExecutionRequest>(&mut answers, Default::default());
    add::<StartWorkflowExecutionRequest>(
        &mut answers,
        StartWorkflowExecutionResponse { run_id: RUN_ID.to_owned(), started: true, ..Default::default() },
    );
    add::<QueryWorkflowRequest>(
        &mut answers,
        QueryWorkflowResponse { query_result: Some(payloads()), ..Default::default() },
    );
    add::<UpdateWorkflowExecutionRequest>(
        &mut answers,
        UpdateWorkflowExecutionResponse {
            update_ref: Some(UpdateRef { workflow_execution: execution(), update_id: "add-1".to_owned() }),
            outcome: Some(outcome),
            stage: Stage::Completed.into(),
            ..Default::default()
        },
    );
    add::<DescribeWorkflowExecutionRequest>(
        &mut answers,
        DescribeWorkflowExecutionResponse {
            workflow_execution_info: Some(WorkflowExecutionInfo {
                execution: execution(),
                task_queue: "orders".to_owned(),
                history_length: 9,
                ..Default::default()
            }),
            ..Default::default()
        },
    );
    add::<GetWorkflowExecutionHistoryRequest>(
        &mut answers,
        GetWorkflowExecutionHistoryResponse { history: Some(History { events: vec![close] }), ..Default::default() },
    );
    answers
}

fn add<R: Rpc>(answers: &mut Answers, answer: R::Response) {
    answers.insert(R::METHOD, answer.encode_to_vec().into());
}

/// The fake in this process, in the one form that both clients take.
pub(crate) fn in_process() -> CallbackBasedGrpcService {
    let answers = answers();
    CallbackBasedGrpcService {
        callback: Arc::new(move |request: GrpcRequest| {
            let answer = answers.get(request.rpc.as_str()).map(|answer| answer.to_vec());
            Box::pin(async move {
                let proto = answer.ok_or_else(|| tonic::Status::unimplemented(request.rpc))?;
                Ok(GrpcSuccessResponse { headers: Default::default(), proto })
            })
        }),
    }
}

/// Serves on a free port, whose address it prints, until its standard input ends.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
    println!("{}", incoming.local_addr()?);
    std::io::stdout().flush()?;
    let over = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let service = Fake(Arc::new(answers()));
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async { drop(over.await) })
        .await?;
    Ok(())
}

/// This program as the fake, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the fake")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the fake has no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse().context("the fake printed no address")? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
struct Fake(Arc<Answers>);

impl NamedService for Fake {
    const NAME: &'static str = "temporal.api.workflowservice.v1.WorkflowService";
}

impl Service<Request<Body>> for Fake {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let answer = Constant(self.0.get(method).cloned());
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw).accept_compressed(CompressionEncoding::Gzip);
            Ok(grpc.unary(answer, request).await)
        })
    }
}

struct Constant(Option<Bytes>);

impl UnaryService<()> for Constant {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<()>) -> Self::Future {
        std::future::ready(self.0.take().map(tonic::Response::new).ok_or_else(|| tonic::Status::unimplemented("")))
    }
}

/// A codec that skips what is asked, and sends bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, tonic::Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}
