//! A server that records what it is asked and answers what it was told to.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use evertide_client::proto::google::rpc;
use evertide_client::proto::prost::{Message, Name};
use evertide_client::proto::prost_types::Any;
use evertide_client::{Client, Code, Connect, Rpc, Status, Transport, WorkflowHandle};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::Service;

/// A server without a memory of its own.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: Vec<Recorded>,
    answers: BTreeMap<&'static str, VecDeque<Answer>>,
}

/// One request as it came.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) headers: HeaderMap,
    message: Vec<u8>,
}

#[derive(Clone)]
enum Answer {
    Message(Vec<u8>),
    Status(Status),
    /// No answer at all.
    Silence,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A client of this server.
    pub(crate) async fn client(&self) -> Client {
        self.connect().await.unwrap()
    }

    pub(crate) fn connect(&self) -> Connect {
        Client::connect_with(Transport::new(self.clone())).namespace("tides").identity("tester")
    }

    /// A handle of the workflow "w".
    pub(crate) async fn handle(&self) -> WorkflowHandle {
        self.client().await.get_workflow_handle("w")
    }

    /// Answers the next request of a type. The last answer stays for all that follow.
    pub(crate) fn answer<R: Rpc>(&self, response: R::Response) -> &Self {
        self.push::<R>(Answer::Message(response.encode_to_vec()))
    }

    /// Refuses the next request of a type.
    pub(crate) fn refuse<R: Rpc>(&self, status: Status) -> &Self {
        self.push::<R>(Answer::Status(status))
    }

    /// Leaves the next request of a type without an answer.
    pub(crate) fn ignore<R: Rpc>(&self) -> &Self {
        self.push::<R>(Answer::Silence)
    }

    fn push<R: Rpc>(&self, answer: Answer) -> &Self {
        self.0.lock().unwrap().answers.entry(R::METHOD).or_default().push_back(answer);
        self
    }

    /// The requests of a type, in order.
    pub(crate) fn requests<R: Rpc + Default>(&self) -> Vec<R> {
        let state = self.0.lock().unwrap();
        let own = state.calls.iter().filter(|call| call.method == R::METHOD);
        own.map(|call| R::decode(call.message.as_slice()).unwrap()).collect()
    }

    /// The only request of a type.
    #[track_caller]
    pub(crate) fn request<R: Rpc + Default>(&self) -> R {
        let mut requests = self.requests::<R>();
        assert_eq!(requests.len(), 1, "{} was called this often", R::METHOD);
        requests.remove(0)
    }

    /// The names of all methods that were called, in order, without the first question of a client.
    pub(crate) fn methods(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let methods = state.calls.iter().map(|call| call.method.clone());
        methods.filter(|method| method != "GetSystemInfo").collect()
    }

    /// The last request, whatever it was.
    pub(crate) fn last(&self) -> Recorded {
        self.0.lock().unwrap().calls.last().unwrap().clone()
    }

    fn take(&self, call: Recorded) -> Answer {
        let mut state = self.0.lock().unwrap();
        let method = call.method.clone();
        state.calls.push(call);
        let Some(answers) = state.answers.get_mut(method.as_str()) else {
            return match method.as_str() {
                "GetSystemInfo" => Answer::Message(Vec::new()),
                _ => Answer::Status(Status::unimplemented(format!("no answer was given for {method}"))),
            };
        };
        match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        }
    }
}

impl Service<Request<Body>> for Fake {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fake = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let method = head.uri.path().rsplit('/').next().unwrap().to_owned();
            // Five bytes say whether the message is compressed and how long it is. A compressed one is not read here.
            let message = if body[0] == 0 { body[5..].to_vec() } else { Vec::new() };
            match fake.take(Recorded { method, headers: head.headers, message }) {
                Answer::Message(message) => Ok(ok(&message)),
                Answer::Status(status) => Ok(status.into_http()),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

fn ok(message: &[u8]) -> Response<Body> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let body = Full::new(frame.into()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// A status with a detail, as a server sends it.
pub(crate) fn status_with<D: Message + Name>(code: Code, message: &str, detail: &D) -> Status {
    let details = vec![any(detail)];
    let status = rpc::Status { code: code as i32, message: message.to_owned(), details };
    Status::with_details(code, message, status.encode_to_vec().into())
}

pub(crate) fn any<D: Message + Name>(detail: &D) -> Any {
    Any { type_url: D::type_url(), value: detail.encode_to_vec() }
}
