//! Starting workflows and sending them messages.

use super::{Done, Site, column};
use evertide_client::Client;
use evertide_proto::command::{
    Command, CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    ProtocolMessageCommandAttributes, StartTimerCommandAttributes,
};
use evertide_proto::common::{Payload, Payloads};
use evertide_proto::enums::QueryResultType;
use evertide_proto::failure::Failure;
use evertide_proto::prost::Message as _;
use evertide_proto::prost_types::{Any, Duration};
use evertide_proto::protocol::Message;
use evertide_proto::taskqueue::TaskQueue;
use evertide_proto::update::{Acceptance, Outcome, Request, Response, outcome};
use evertide_proto::workflowservice::{
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
};
use serde_json::{Value, json};

/// A worker's side of one task queue, one task at a time.
struct Worker(Client);

impl Worker {
    /// Waits for the next workflow task of the queue.
    async fn task(&self) -> PollWorkflowTaskQueueResponse {
        let queue = TaskQueue { name: "q".to_owned(), ..Default::default() };
        let namespace = self.0.namespace().to_owned();
        let poll = PollWorkflowTaskQueueRequest { namespace, task_queue: Some(queue), ..Default::default() };
        loop {
            let task = self.0.call(poll.clone()).await.unwrap();
            if !task.task_token.is_empty() {
                return task;
            }
        }
    }

    async fn answer(&self, task: PollWorkflowTaskQueueResponse, commands: Vec<Command>, messages: Vec<Message>) {
        let namespace = self.0.namespace().to_owned();
        let task_token = task.task_token;
        let answer =
            RespondWorkflowTaskCompletedRequest { namespace, task_token, commands, messages, ..Default::default() };
        self.0.call(answer).await.unwrap();
    }

    /// Answers the next task with a command.
    async fn work(&self, command: Command) {
        let task = self.task().await;
        self.answer(task, vec![command], Vec::new()).await;
    }

    /// Answers queries: with this value, or with the name and the arguments of the query.
    async fn answer_query(&self, value: Option<&str>) {
        let task = self.task().await;
        let query = task.query.clone().unwrap();
        let arguments = query.query_args.unwrap_or_default().payloads;
        let arguments: Vec<_> = arguments.iter().map(|p| String::from_utf8_lossy(&p.data).into_owned()).collect();
        let asked = json!([query.query_type, arguments.join(",")]).to_string();
        let answer = RespondQueryTaskCompletedRequest {
            namespace: self.0.namespace().to_owned(),
            task_token: task.task_token,
            completed_type: QueryResultType::Answered.into(),
            query_result: Some(payloads(value.unwrap_or(&asked))),
            ..Default::default()
        };
        self.0.call(answer).await.unwrap();
    }

    /// Takes the update of the next task: accepts it and, if there is a result, completes it.
    async fn take_update(&self, result: Option<outcome::Value>) {
        let task = self.task().await;
        let message = task.messages.first().unwrap().clone();
        let request = Request::decode(message.body.clone().unwrap().value.as_slice()).unwrap();
        let meta = request.meta.clone();
        let acceptance = Acceptance {
            accepted_request_message_id: message.id.clone(),
            accepted_request_sequencing_event_id: task.started_event_id - 1,
            accepted_request: Some(request),
        };
        let named = |id: &str, body: Any| Message {
            id: id.to_owned(),
            protocol_instance_id: message.protocol_instance_id.clone(),
            body: Some(body),
            ..Default::default()
        };
        let mut messages = vec![named("accept", any(&acceptance))];
        if let Some(value) = result {
            let response = Response { meta, outcome: Some(Outcome { value: Some(value) }) };
            messages.push(named("complete", any(&response)));
        }
        let commands = messages
            .iter()
            .map(|message| ProtocolMessageCommandAttributes { message_id: message.id.clone() }.into_command());
        let commands = commands.collect();
        self.answer(task, commands, messages).await;
    }
}

fn any<M: evertide_proto::prost::Message + evertide_proto::prost::Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

trait IntoCommand {
    fn into_command(self) -> Command;
}

impl<A> IntoCommand for A
where
    evertide_proto::command::command::Attributes: From<A>,
{
    fn into_command(self) -> Command {
        let attributes = evertide_proto::command::command::Attributes::from(self);
        Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Default::default() }
    }
}

fn payloads(json: &str) -> Payloads {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payloads { payloads: vec![Payload { metadata, data: json.to_owned().into(), ..Default::default() }] }
}

fn complete(json: &str) -> Command {
    CompleteWorkflowExecutionCommandAttributes { result: Some(payloads(json)) }.into_command()
}

fn fail(message: &str) -> Command {
    let cause = Some(Box::new(Failure { message: "the cause".to_owned(), ..Default::default() }));
    let failure = Some(Failure { message: message.to_owned(), cause, ..Default::default() });
    FailWorkflowExecutionCommandAttributes { failure }.into_command()
}

fn wait_an_hour() -> Command {
    let hour = Some(Duration { seconds: 3600, nanos: 0 });
    StartTimerCommandAttributes { timer_id: "hour".to_owned(), start_to_fire_timeout: hour }.into_command()
}

/// What the lines of a card say, as `name value`.
fn card(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn parsed(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

const START: [&str; 6] = ["workflow", "start", "--type", "Order", "-t", "q"];

/// The line that starts `a`, with more behind it.
fn start_a<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&START[..], &["-w", "a"], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_started_with_all_its_options() {
    let site = Site::new().await;
    let started = site
        .out(&start_a(&["-i", "{\"n\": 1}", "-i", "\"x\"", "--memo", "m=[1]", "--static-summary", "a \"boat\""]))
        .await;
    let lines = card(&started);
    for line in ["WorkflowId a", "Type Order", "Namespace default", "TaskQueue q"] {
        assert!(lines.iter().any(|l| l == line), "{line} in {started}");
    }
    let described = site.json(&["workflow", "describe", "-w", "a"]).await;
    assert_eq!(described["workflowExecutionInfo"]["memo"]["fields"], json!({"m": [1]}));
    assert_eq!(described["executionConfig"]["userMetadata"]["summary"], "a \"boat\"");
    let run_id = described["workflowExecutionInfo"]["execution"]["runId"].clone();

    // One that runs is taken as the one that was started, unless that is to fail.
    let again = site.json(&start_a(&[])).await;
    let fields = json!({"workflowId": "a", "runId": run_id, "type": "Order", "namespace": "default", "taskQueue": "q"});
    assert_eq!(again, fields);
    assert_eq!(
        again.as_object().unwrap().keys().collect::<Vec<_>>(),
        fields.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    assert!(site.refused(&start_a(&["--fail-existing"])).await.contains("already running"));
    let shown = site.json(&["workflow", "show", "-w", "a"]).await;
    let input = &shown["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"];
    assert_eq!((input[0]["data"].as_str(), input[1]["data"].as_str()), (Some("eyJuIjogMX0="), Some("Ingi")));

    let other = [&START[..], &["--id-reuse-policy", "rejectduplicate"]].concat();
    assert_eq!(site.json(&other).await["workflowId"].as_str().unwrap().len(), 36);
    assert!(site.refused(&start_a(&["--input", "word"])).await.contains("argument 1, \"word\", is not JSON"));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_executed_to_its_result() {
    let site = Site::new().await;
    let worker = Worker(site.client().await);
    let execute = ["workflow", "execute", "--type", "Order", "-t", "q", "-w"];
    let with = |rest: &[&'static str]| [&execute[..], rest].concat();
    let line = with(&["a"]);
    let (table, ()) = tokio::join!(site.out(&line), worker.work(complete("{\"b\":2,\"a\":1}")));
    for event in ["WorkflowExecutionStarted", "WorkflowTaskCompleted", "WorkflowExecutionCompleted"] {
        assert!(table.contains(event), "{event} in {table}");
    }
    let lines = card(&table);
    assert!(
        lines.iter().any(|l| l == "Status COMPLETED") && lines.iter().any(|l| l == "Result {\"b\":2,\"a\":1}"),
        "{table}"
    );

    let line = with(&["b", "-o", "json", "--detailed"]);
    let (done, ()) = tokio::join!(site.run(&line), worker.work(fail("it broke")));
    assert_eq!((done.code, done.err.as_str()), (Some(1), "error: workflow failed: it broke: the cause\n"));
    let whole = parsed(&done);
    assert_eq!((whole["status"].as_str(), whole["taskQueue"].as_str()), (Some("FAILED"), Some("q")));
    let failure = &whole["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"];
    assert_eq!(failure["cause"]["message"], "the cause");
    assert_eq!(whole["history"]["events"].as_array().unwrap().len(), 5);

    let result = site.json(&["workflow", "result", "-w", "a"]).await;
    assert_eq!((result["status"].as_str(), &result["result"]), (Some("COMPLETED"), &json!({"b": 2, "a": 1})));
    let done = site.run(&["workflow", "result", "-w", "b"]).await;
    assert!(done.code == Some(1) && done.out.contains("it broke: the cause"), "{done:?}");
    assert!(site.refused(&["workflow", "result", "-w", "nobody"]).await.contains("nobody"));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_signalled_and_queried() {
    let site = Site::new().await;
    let worker = Worker(site.client().await);
    let signal = ["workflow", "signal-with-start", "--type", "Order", "-t", "q", "-w", "a", "--signal-name", "s"];
    let first = site.json(&[&signal[..], &["--signal-input", "1", "-i", "2"]].concat()).await;
    let second = site.json(&[&signal[..], &["--signal-input", "-3"]].concat()).await;
    assert_eq!((first["runId"].as_str(), first.get("taskQueue")), (second["runId"].as_str(), None));
    assert_eq!(
        site.out(&["workflow", "signal", "-w", "a", "--name", "t", "-i", "4"]).await,
        "Signal workflow succeeded\n"
    );
    assert_eq!(site.out(&["workflow", "signal", "-w", "a", "--type", "t", "-o", "json"]).await, "");
    let shown = site.json(&["workflow", "show", "-w", "a"]).await;
    let events = shown["events"].as_array().unwrap().iter();
    let signals = events.filter_map(|event| event["workflowExecutionSignaledEventAttributes"]["signalName"].as_str());
    assert_eq!(signals.collect::<Vec<_>>(), ["s", "s", "t", "t"]);
    worker.work(wait_an_hour()).await;

    let query = ["workflow", "query", "-w", "a", "--name", "state", "-i", "1", "-i", "2"];
    let (answer, ()) = tokio::join!(site.out(&query), worker.answer_query(None));
    assert_eq!(answer, "[\"state\",\"1,2\"]\n");
    let json = [&query[..], &["-o", "json"]].concat();
    let (answer, ()) = tokio::join!(site.run(&json), worker.answer_query(Some("7")));
    assert_eq!(parsed(&answer)["queryResult"], json!([7]));
    let line = ["workflow", "stack", "-w", "a"];
    let (answer, ()) = tokio::join!(site.out(&line), worker.answer_query(Some("\"line 1\\nline 2\"")));
    assert_eq!(answer, "line 1\nline 2\n");
    let metadata = r#"{"definition":{"type":"Order","signalDefinitions":[{"name":"pay","description":"takes money"}]},"currentDetails":"at sea"}"#;
    let line = ["workflow", "metadata", "-w", "a"];
    let (answer, ()) = tokio::join!(site.out(&line), worker.answer_query(Some(metadata)));
    for part in ["at sea", "Signal", "pay", "takes money"] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    site.out(&["workflow", "terminate", "-w", "a"]).await;
    let rejected =
        site.refused(&["workflow", "query", "-w", "a", "--name", "x", "--reject-condition", "not_open"]).await;
    assert_eq!(rejected, "query was rejected, workflow has status: Terminated");
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_sent_and_followed() {
    let site = Site::new().await;
    let worker = Worker(site.client().await);
    site.start(&["a"], "Order").await;
    worker.work(wait_an_hour()).await;
    let update = ["workflow", "update"];
    let with = |rest: &[&'static str]| [&update[..], rest].concat();

    let line = with(&["execute", "-w", "a", "--name", "add", "--update-id", "u1", "-i", "1", "-o", "json"]);
    let (done, ()) = tokio::join!(site.run(&line), worker.take_update(Some(outcome::Value::Success(payloads("[5]")))));
    assert_eq!(parsed(&done), json!({"name": "add", "updateId": "u1", "result": [5]}));
    assert_eq!(
        card(&site.out(&with(&["result", "-w", "a", "--update-id", "u1"])).await),
        ["UpdateId u1", "Result [5]"]
    );

    let line = with(&["start", "-w", "a", "--name", "add", "--update-id", "u2", "--wait-for-stage", "accepted"]);
    let (started, ()) = tokio::join!(site.out(&line), worker.take_update(None));
    assert_eq!(card(&started), ["Name add", "UpdateId u2"]);
    let described = site.json(&with(&["describe", "-w", "a", "--update-id", "u2"])).await;
    assert_eq!(described, json!({"updateId": "u2", "stage": "Accepted"}));

    let line = with(&["execute", "-w", "a", "--name", "add", "--update-id", "u3"]);
    let failure = outcome::Value::Failure(Failure { message: "no".to_owned(), ..Default::default() });
    let (told, ()) = tokio::join!(site.refused(&line), worker.take_update(Some(failure)));
    assert_eq!(told, "unable to update workflow: no");
    let done = site.run(&with(&["result", "-w", "a", "--update-id", "u3", "-o", "json"])).await;
    assert_eq!((done.code, parsed(&done)["failure"]["message"].as_str()), (Some(1), Some("no")));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_cancelled_terminated_and_deleted() {
    let site = Site::new().await;
    site.start(&["a", "b"], "Order").await;
    assert_eq!(site.out(&["workflow", "cancel", "-w", "a", "--reason", "late"]).await, "Canceled workflow\n");
    assert_eq!(site.out(&["workflow", "terminate", "-w", "a", "--reason", "stuck"]).await, "Workflow terminated\n");
    site.out(&["workflow", "terminate", "-w", "b"]).await;
    let cause = |shown: Value, event: usize, kind: &str, field: &str| shown["events"][event][kind][field].clone();
    let shown = site.json(&["workflow", "show", "-w", "a"]).await;
    assert_eq!(cause(shown.clone(), 2, "workflowExecutionCancelRequestedEventAttributes", "cause"), "late");
    assert_eq!(cause(shown, 3, "workflowExecutionTerminatedEventAttributes", "reason"), "stuck");
    let shown = site.json(&["workflow", "show", "-w", "b"]).await;
    let reason = cause(shown, 2, "workflowExecutionTerminatedEventAttributes", "reason");
    assert!(reason.as_str().unwrap().starts_with("Requested from CLI by "), "{reason}");
    let done = site.run(&["workflow", "result", "-w", "a"]).await;
    assert_eq!(
        (done.code, card(&done.out)),
        (Some(1), vec!["Status TERMINATED".to_owned(), "Reason stuck".to_owned()])
    );

    assert!(site.refused(&["workflow", "delete", "-w", "a"]).await.contains("--yes"));
    assert_eq!(site.out(&["workflow", "delete", "-w", "a", "--yes"]).await, "Delete workflow succeeded\n");
    assert!(site.refused(&["workflow", "describe", "-w", "a"]).await.contains("workflow list"));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_reset() {
    let site = Site::new().await;
    let worker = Worker(site.client().await);
    site.start(&["a"], "Order").await;
    worker.work(wait_an_hour()).await;
    site.out(&["workflow", "signal", "-w", "a", "--name", "s"]).await;
    worker.work(complete("1")).await;
    let reset = ["workflow", "reset", "-w", "a", "--reason", "again"];
    let with = |rest: &[&'static str]| [&reset[..], rest].concat();
    let points = [(["--type", "LastWorkflowTask"], 9), (["--type", "FirstWorkflowTask"], 4), (["-e", "4"], 4)];
    for (point, event_id) in points {
        let old = site.json(&["workflow", "describe", "-w", "a"]).await;
        let old = old["workflowExecutionInfo"]["execution"]["runId"].as_str().unwrap().to_owned();
        let done = site.out(&with(&point)).await;
        assert!(done.starts_with(&format!("Resetting workflow a to event ID {event_id}\n")), "{done}");
        assert!(done.contains("The new run is ") && !done.contains(&old), "{done}");
        worker.work(complete("2")).await;
    }
    for (line, what) in [
        (with(&[]), "--event-id"),
        (with(&["--type", "LastContinuedAsNew"]), "not continued from another one"),
        (with(&["--type", "FirstWorkflowTask", "-e", "4"]), "exclude each other"),
        (vec!["workflow", "reset", "--reason", "r"], "--workflow-id"),
        (vec!["workflow", "reset", "-w", "a", "-e", "4"], "--reason"),
    ] {
        let told = site.refused(&line).await;
        assert!(told.contains(what), "{line:?}: {told}");
    }
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_a_tree() {
    let site = Site::new().await;
    let worker = Worker(site.client().await);
    site.start(&["a"], "Order").await;
    worker.work(wait_an_hour()).await;
    site.out(&["workflow", "signal", "-w", "a", "--name", "s"]).await;
    worker.work(complete("1")).await;
    let trace = site.out(&["workflow", "trace", "-w", "a"]).await;
    let lines: Vec<&str> = trace.lines().collect();
    assert!(lines[0].starts_with("Completed  Order  a  "), "{trace}");
    assert_eq!(lines[1..], ["└─ Started  timer hour"]);
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_asks_for_a_batch_job_after_a_question() {
    let site = Site::new().await;
    site.start(&["a"], "Order").await;
    let terminate = ["workflow", "terminate", "--query", "WorkflowType = 'Order'"];
    let told = site.refused(&terminate).await;
    assert!(told.contains("about 1 workflows") && told.contains("--yes"), "{told}");
    assert_eq!(column(&site.out(&["workflow", "list"]).await, "Status"), ["Running"]);
    site.server.shutdown().await;
}
