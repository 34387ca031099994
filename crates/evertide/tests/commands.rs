//! The commands that ask a server, run as a user runs them: the binary, against a server on a port.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

#[path = "commands/workflow.rs"]
mod workflow;

use evertide_client::{Client, WorkflowHistory};
use evertide_server::{RunningServer, Server};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use tempfile::TempDir;

/// A server, and an empty home, so that nobody's own settings count.
struct Site {
    server: RunningServer,
    address: String,
    home: TempDir,
}

/// What a command did.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Site {
    async fn new() -> Self {
        let server = Server::builder().listen((Ipv4Addr::LOCALHOST, 0).into()).start().await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        Self { server, address, home: tempfile::tempdir().unwrap() }
    }

    async fn client(&self) -> Client {
        Client::connect(&*self.address).await.unwrap()
    }

    /// Starts workflows that nobody works on.
    async fn start(&self, ids: &[&str], workflow_type: &'static str) {
        let client = self.client().await;
        for id in ids {
            client.start_workflow(workflow_type).id(*id).task_queue("q").await.unwrap();
        }
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        let mut all = arguments.to_vec();
        all.extend(["--address", &self.address]);
        run(&all, &self.home).await
    }

    /// What a command that succeeds prints.
    async fn out(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{arguments:?}: {done:?}");
        done.out
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        serde_json::from_str(&self.out(&all).await).unwrap()
    }

    /// What a command that fails says.
    async fn refused(&self, arguments: &[&str]) -> String {
        refusal(self.run(arguments).await)
    }
}

async fn run(arguments: &[&str], home: &TempDir) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evertide"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TEMPORAL_")) {
        command.env_remove(name);
    }
    command.args(arguments).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    command.stdin(std::process::Stdio::null());
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// One line, and nothing that a program could take for an answer.
fn refusal(done: Done) -> String {
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{done:?}");
    let line =
        done.err.strip_prefix("error: ").and_then(|e| e.strip_suffix('\n')).unwrap_or_else(|| panic!("{done:?}"));
    assert!(!line.contains('\n'), "{line}");
    line.to_owned()
}

/// The cells of a table in one column, without the heading.
fn column(table: &str, heading: &str) -> Vec<String> {
    let mut lines = table.lines();
    let headings = lines.next().unwrap();
    let start = headings.find(heading).unwrap_or_else(|| panic!("no {heading} in {headings}"));
    lines
        .map(|line| line.get(start..).unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned())
        .collect()
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|info| info["execution"]["workflowId"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_listed_as_table_and_as_json() {
    let site = Site::new().await;
    assert_eq!(site.json(&["workflow", "list"]).await, Value::Array(Vec::new()));
    assert_eq!(column(&site.out(&["workflow", "list"]).await, "WorkflowId"), Vec::<String>::new());
    site.start(&["a", "b"], "Order").await;
    site.start(&["c"], "Parcel").await;
    site.client().await.get_workflow_handle("b").terminate().await.unwrap();

    let table = site.out(&["workflow", "list"]).await;
    // Open ones come first, and the newest of them first of all.
    assert_eq!(column(&table, "WorkflowId"), ["c", "a", "b"]);
    assert_eq!(column(&table, "Status"), ["Running", "Running", "Terminated"]);
    assert_eq!(column(&table, "Type"), ["Parcel", "Order", "Order"]);
    assert_eq!(ids(&site.json(&["workflow", "list"]).await), ["c", "a", "b"]);
    assert_eq!(ids(&site.json(&["workflow", "list", "--limit", "2"]).await), ["c", "a"]);
    let query = "WorkflowType = 'Order' AND ExecutionStatus = 'Terminated'";
    let found = site.json(&["workflow", "list", "-q", query]).await;
    assert_eq!(ids(&found), ["b"]);
    assert_eq!(found[0]["status"], "WORKFLOW_EXECUTION_STATUS_TERMINATED");
    let lines = site.out(&["workflow", "list", "-o", "jsonl", "--page-size", "1"]).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&Value::Array(lines)), ["c", "a", "b"]);
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_counted_in_all_and_by_status() {
    let site = Site::new().await;
    site.start(&["a", "b", "c"], "Order").await;
    site.client().await.get_workflow_handle("b").terminate().await.unwrap();
    assert_eq!(site.out(&["workflow", "count"]).await, "Total: 3\n");
    assert_eq!(site.out(&["workflow", "count", "--query", "WorkflowId = 'a'"]).await, "Total: 1\n");
    let grouped = site.out(&["workflow", "count", "--query", "GROUP BY ExecutionStatus"]).await;
    assert_eq!(grouped, "Total: 3\n\nGroup       Count\nRunning     2\nTerminated  1\n");
    assert_eq!(site.json(&["workflow", "count"]).await["count"], "3");
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_described_and_its_history_shown() {
    let site = Site::new().await;
    site.start(&["a"], "Order").await;
    let handle = site.client().await.get_workflow_handle("a");
    let run_id = handle.describe().await.unwrap().run_id().to_owned();
    let described = site.out(&["workflow", "describe", "--workflow-id", "a"]).await;
    let lines: Vec<_> = described.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["WorkflowId a", "Type Order", "Status Running", "Pending workflow task", "State Scheduled"] {
        assert!(lines.iter().any(|l| l == line), "{line} in {described}");
    }
    handle.terminate().await.unwrap();
    let raw = site.json(&["workflow", "describe", "-w", "a", "-r", &run_id]).await;
    assert_eq!(raw["workflowExecutionInfo"]["execution"]["runId"], run_id);

    let shown = site.out(&["workflow", "show", "-w", "a"]).await;
    let kinds = ["WorkflowExecutionStarted", "WorkflowTaskScheduled", "WorkflowExecutionTerminated"];
    assert_eq!(column(&shown, "Type"), kinds);
    assert_eq!(column(&shown, "Id"), ["1", "2", "3"]);
    // The run is closed, so there is nothing to wait for.
    let followed = site.out(&["workflow", "show", "-w", "a", "--follow"]).await;
    assert_eq!(column(&followed, "Type"), kinds);
    let json = site.out(&["workflow", "show", "-w", "a", "-o", "json"]).await;
    let history = WorkflowHistory::from_json("a", &json).unwrap();
    assert_eq!((history.run_id(), history.events.len()), (Some(run_id.as_str()), 3));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn search_attributes_are_created_listed_and_removed() {
    let site = Site::new().await;
    let line = ["operator", "search-attribute"];
    let create =
        [&line[..], &["create", "--name", "Customer", "--type", "Keyword", "--name", "Sum", "--type", "double"]];
    site.out(&create.concat()).await;
    let listed = site.out(&[&line[..], &["list"]].concat()).await;
    let table = listed.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let custom: Vec<_> = table.filter(|row| row[2] == "namespace").map(|row| (row[0], row[1])).collect();
    assert_eq!(custom, [("Customer", "Keyword"), ("Sum", "Double")]);
    assert!(column(&listed, "Name").iter().any(|name| name == "WorkflowType"), "{listed}");
    assert_eq!(site.out(&["workflow", "count", "-q", "Customer = 'x'"]).await, "Total: 0\n");

    let unpaired = [&line[..], &["create", "--name", "A", "--name", "B", "--type", "Int"]].concat();
    assert!(site.refused(&unpaired).await.contains("2 names and 1 types"));
    let remove = [&line[..], &["remove", "--name", "Customer"]].concat();
    assert!(site.refused(&remove).await.contains("--yes"));
    site.out(&[&remove[..], &["--yes"]].concat()).await;
    let left = site.json(&[&line[..], &["list"]].concat()).await;
    assert_eq!(left["customAttributes"], serde_json::json!({ "Sum": "INDEXED_VALUE_TYPE_DOUBLE" }));
    assert!(site.refused(&["workflow", "count", "-q", "Customer = 'x'"]).await.contains("Customer"));
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_made_changed_and_deleted() {
    let site = Site::new().await;
    let line = ["operator", "namespace"];
    let with = |rest: &[&'static str]| [&line[..], rest].concat();
    site.out(&with(&["create", "shop", "--retention", "1d12h", "--description", "boats", "--data", "team=sea"])).await;
    assert_eq!(column(&site.out(&with(&["list"])).await, "Name"), ["default", "shop"]);
    site.out(&with(&["update", "--namespace", "shop", "--email", "ada@example.com"])).await;
    let described = site.out(&with(&["describe", "shop"])).await;
    for part in ["shop", "Registered", "boats", "ada@example.com", "1d 12h", "team=sea"] {
        assert!(described.contains(part), "{part} in {described}");
    }
    let id = site.json(&with(&["describe", "-n", "shop"])).await["namespaceInfo"]["id"].as_str().unwrap().to_owned();
    let by_id = site.json(&["operator", "namespace", "describe", "--namespace-id", &id]).await;
    assert_eq!(by_id["namespaceInfo"]["name"], "shop");
    assert_eq!(site.out(&["workflow", "count", "-n", "shop"]).await, "Total: 0\n");

    assert!(site.refused(&with(&["update", "shop"])).await.contains("nothing to change"));
    assert!(site.refused(&with(&["create", "shop"])).await.contains("already exists"));
    assert!(site.refused(&with(&["delete", "--yes"])).await.contains("which namespace"));
    assert!(site.refused(&with(&["delete", "shop"])).await.contains("--yes"));
    site.out(&with(&["delete", "shop", "--yes"])).await;
    assert_eq!(column(&site.out(&with(&["list"])).await, "Name"), ["default"]);
    site.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_one_line_that_says_what_to_do() {
    let site = Site::new().await;
    let told = site.refused(&["workflow", "list", "--namespace", "other"]).await;
    assert!(told.starts_with("Namespace other is not found.") && told.contains("operator namespace list"), "{told}");
    let told = site.refused(&["workflow", "describe", "-w", "nobody\u{1b}[31m"]).await;
    assert!(told.contains("nobody\\u{1b}[31m") && told.contains("workflow list"), "{told}");
    let told = site.refused(&["workflow", "list", "-q", "Nothing = 1"]).await;
    assert!(told.contains("Nothing"), "{told}");
    site.server.shutdown().await;

    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    let told = refusal(run(&["workflow", "list", "--address", &free], &site.home).await);
    assert!(told.contains(&free) && told.contains("server start-dev"), "{told}");
}
