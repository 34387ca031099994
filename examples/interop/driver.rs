//! The handle by JSON: one command a line, and for each an answer with the same `nr`. Commands run side by side, as the
//! calls of a program do.

use std::time::{Duration, UNIX_EPOCH};

use evertide_client::{
    Client, QueryRejectCondition, SearchAttributes, StartWorkflow, Untyped, UpdateHandle, WaitForStage, WorkflowHandle,
    WorkflowHistory, WorkflowRef,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer;

/// A command with the number by which its answer is known.
#[derive(Debug, Deserialize)]
struct Numbered {
    nr: u64,
    #[serde(flatten)]
    command: Command,
}

/// The calls of the handle, under the contract's names.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
enum Command {
    StartWorkflow {
        workflow: String,
        id: String,
        task_queue: String,
        args: Vec<Value>,
        #[serde(default)]
        memo: Map<String, Value>,
        #[serde(default)]
        search_attributes: Attributes,
        #[serde(default)]
        static_summary: Option<String>,
        #[serde(default)]
        static_details: Option<String>,
    },
    Signal {
        handle: WorkflowRef,
        name: String,
        args: Vec<Value>,
    },
    Query {
        handle: WorkflowRef,
        name: String,
        args: Vec<Value>,
        #[serde(default)]
        open_only: bool,
    },
    StartUpdate {
        handle: WorkflowRef,
        name: String,
        id: String,
        args: Vec<Value>,
    },
    ExecuteUpdate {
        handle: WorkflowRef,
        name: String,
        args: Vec<Value>,
    },
    UpdateResult {
        handle: WorkflowRef,
        id: String,
    },
    Result {
        handle: WorkflowRef,
        follow_runs: bool,
    },
    Cancel {
        handle: WorkflowRef,
        reason: String,
    },
    Terminate {
        handle: WorkflowRef,
        reason: String,
        details: Vec<Value>,
    },
    Describe {
        handle: WorkflowRef,
    },
    FetchHistory {
        handle: WorkflowRef,
    },
    /// Reads a history from JSON and writes it again.
    RewriteHistory {
        text: String,
    },
}

/// Search attributes to start with, one of each type at most. Times are seconds since 1970.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
struct Attributes {
    interop_text: Option<String>,
    interop_keyword: Option<String>,
    interop_int: Option<i64>,
    interop_double: Option<f64>,
    interop_bool: Option<bool>,
    interop_datetime: Option<u64>,
    interop_keyword_list: Option<Vec<String>>,
}

impl Attributes {
    fn typed(self) -> SearchAttributes {
        fn with<T: evertide_client::SearchAttributeValue>(
            attributes: SearchAttributes,
            key: evertide_client::SearchAttributeKey<T>,
            value: Option<T>,
        ) -> SearchAttributes {
            match value {
                Some(value) => attributes.with(key, value),
                None => attributes,
            }
        }
        let attributes = with(SearchAttributes::new(), answer::TEXT, self.interop_text);
        let attributes = with(attributes, answer::KEYWORD, self.interop_keyword);
        let attributes = with(attributes, answer::INT, self.interop_int);
        let attributes = with(attributes, answer::DOUBLE, self.interop_double);
        let attributes = with(attributes, answer::BOOL, self.interop_bool);
        let time = self.interop_datetime.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let attributes = with(attributes, answer::DATETIME, time);
        with(attributes, answer::KEYWORD_LIST, self.interop_keyword_list)
    }
}

/// Answers commands until standard input ends.
pub(crate) async fn drive(address: &str) -> anyhow::Result<()> {
    let client = Client::connect(address).await?;
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for line in std::io::stdin().lines() {
            let Numbered { nr, command } = serde_json::from_str(&line?)?;
            let client = client.clone();
            runtime.spawn(async move {
                let answer = match run(&client, command).await {
                    Ok(value) => json!({ "nr": nr, "ok": value }),
                    Err(error) => json!({ "nr": nr, "error": answer::error(&error) }),
                };
                println!("{answer}");
            });
        }
        Ok(())
    });
    reading.await?
}

async fn run(client: &Client, command: Command) -> evertide_client::Result<Value> {
    match command {
        Command::StartWorkflow {
            workflow,
            id,
            task_queue,
            args,
            memo,
            search_attributes,
            static_summary,
            static_details,
        } => {
            let mut start = client.start_workflow(workflow.as_str()).id(id).task_queue(task_queue);
            start = start.search_attributes(search_attributes.typed());
            start = args.iter().fold(start, |start, arg| start.arg(arg));
            start = memo.iter().fold(start, |start, (key, value)| start.memo(key, value));
            start = static_summary.iter().fold(start, StartWorkflow::static_summary);
            start = static_details.iter().fold(start, StartWorkflow::static_details);
            let handle: WorkflowHandle<Untyped> = start.await?;
            Ok(json!(handle.to_ref()))
        }
        Command::Signal { handle, name, args } => {
            let signal = client.bind(&handle).signal(name);
            args.iter().fold(signal, |signal, arg| signal.arg(arg)).await.map(Value::from)
        }
        Command::Query { handle, name, args, open_only } => {
            let mut query = client.bind(&handle).query::<Value, _>(name);
            if open_only {
                query = query.reject_condition(QueryRejectCondition::NotOpen);
            }
            args.iter().fold(query, |query, arg| query.arg(arg)).await
        }
        Command::StartUpdate { handle, name, id, args } => {
            let update = client.bind(&handle).start_update(name).id(id).wait_for_stage(WaitForStage::Accepted);
            let update: UpdateHandle = args.iter().fold(update, |update, arg| update.arg(arg)).await?;
            Ok(json!({ "id": update.id(), "workflow_run_id": update.workflow_run_id() }))
        }
        Command::ExecuteUpdate { handle, name, args } => {
            let update = client.bind(&handle).execute_update::<Value, _>(name);
            args.iter().fold(update, |update, arg| update.arg(arg)).await
        }
        Command::UpdateResult { handle, id } => client.bind(&handle).get_update_handle(id).result().await,
        Command::Result { handle, follow_runs } => client.bind(&handle).result().follow_runs(follow_runs).await,
        Command::Cancel { handle, reason } => client.bind(&handle).cancel().reason(reason).await.map(Value::from),
        Command::Terminate { handle, reason, details } => {
            let terminate = client.bind(&handle).terminate().reason(reason);
            details.iter().fold(terminate, |terminate, detail| terminate.detail(detail)).await.map(Value::from)
        }
        Command::Describe { handle } => answer::description(&client.bind(&handle).describe().await?).await,
        Command::FetchHistory { handle } => {
            client.bind(&handle).fetch_history().await?.to_json_pretty().map(Value::from)
        }
        Command::RewriteHistory { text } => WorkflowHistory::from_json("any", &text)?.to_json_pretty().map(Value::from),
    }
}
