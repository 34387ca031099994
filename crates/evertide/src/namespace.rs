//! `operator namespace`.

use crate::asking::{Asked, confirm};
use crate::cli::{
    AboutNamespace, Asking, CreateNamespace, DescribeNamespace, NamespaceCommand, NamespaceLine, Output,
    UpdateNamespace,
};
use crate::output::{Listing, facts, length, print, print_json, short_name};
use anyhow::{Context, ensure};
use evertide_proto::enums::NamespaceState;
use evertide_proto::namespace::{NamespaceConfig, NamespaceInfo, UpdateNamespaceInfo};
use evertide_proto::operatorservice::DeleteNamespaceRequest;
use evertide_proto::prost_types::Duration;
use evertide_proto::workflowservice::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, ListNamespacesRequest, RegisterNamespaceRequest,
    UpdateNamespaceRequest,
};

/// Does it.
pub(crate) async fn run(line: &NamespaceLine) -> anyhow::Result<()> {
    let asking = &line.asking;
    match &line.command {
        NamespaceCommand::List => list(asking).await,
        NamespaceCommand::Describe(options) => describe(asking, options).await,
        NamespaceCommand::Create(options) => create(asking, options).await,
        NamespaceCommand::Update(options) => update(asking, options).await,
        NamespaceCommand::Delete(options) => delete(asking, options.name.as_deref(), options.yes).await,
    }
}

/// The namespace that a command is about. The environment does not count: it says where to work, not what to delete.
fn named<'a>(asking: &'a Asking, name: Option<&'a str>) -> anyhow::Result<&'a str> {
    let flag = asking.namespace.as_deref();
    if let (Some(name), Some(flag)) = (name, flag) {
        ensure!(name == flag, "there are two names, {name} and {flag}; give one");
    }
    name.or(flag).context("which namespace? Write its name behind the command")
}

async fn list(asking: &Asking) -> anyhow::Result<()> {
    let asked = Asked::connect(asking).await?;
    let mut listing = Listing::of("namespaces", asking.output, &["Name", "State", "Retention", "Id", "Description"]);
    let mut request = ListNamespacesRequest::default();
    loop {
        let page = asked.told(asked.client.call(request.clone()).await)?;
        for namespace in &page.namespaces {
            listing.add(namespace, || {
                let info = namespace.namespace_info.clone().unwrap_or_default();
                vec![info.name.clone(), state(&info), retention(namespace), info.id, info.description]
            })?;
        }
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() {
            return listing.finish();
        }
    }
}

async fn describe(asking: &Asking, options: &DescribeNamespace) -> anyhow::Result<()> {
    let asked = Asked::connect(asking).await?;
    let request = match &options.namespace_id {
        Some(id) => DescribeNamespaceRequest { id: id.clone(), ..DescribeNamespaceRequest::default() },
        None => {
            let name = options.name.as_deref().unwrap_or(asked.client.namespace());
            DescribeNamespaceRequest { namespace: name.to_owned(), ..DescribeNamespaceRequest::default() }
        }
    };
    let answer = asked.told(asked.client.call(request).await)?;
    if asking.output != Output::Table {
        return print_json(&answer, asking.output);
    }
    let info = answer.namespace_info.clone().unwrap_or_default();
    let data: Vec<_> = info.data.iter().map(|(key, value)| format!("{key}={value}")).collect();
    print(&facts(&[
        ("Name", info.name.clone()),
        ("Id", info.id.clone()),
        ("State", state(&info)),
        ("Description", info.description.clone()),
        ("OwnerEmail", info.owner_email.clone()),
        ("Retention", retention(&answer)),
        ("Data", data.join(", ")),
    ]))
}

async fn create(asking: &Asking, options: &CreateNamespace) -> anyhow::Result<()> {
    let name = named(asking, options.name.as_deref())?;
    let asked = Asked::connect(asking).await?;
    let AboutNamespace { description, email, data } = &options.about;
    let request = RegisterNamespaceRequest {
        namespace: name.to_owned(),
        description: description.clone().unwrap_or_default(),
        owner_email: email.clone().unwrap_or_default(),
        workflow_execution_retention_period: Some(proto_duration(options.retention)),
        data: data.iter().cloned().collect(),
        ..RegisterNamespaceRequest::default()
    };
    let answer = asked.told(asked.client.call(request).await)?;
    match asking.output {
        Output::Table => print(&format!("namespace {name} is there\n")),
        output => print_json(&answer, output),
    }
}

async fn update(asking: &Asking, options: &UpdateNamespace) -> anyhow::Result<()> {
    let name = named(asking, options.name.as_deref())?;
    let AboutNamespace { description, email, data } = &options.about;
    let changes = description.is_some() || email.is_some() || !data.is_empty() || options.retention.is_some();
    ensure!(changes, "nothing to change; give --retention, --description, --email or --data");
    let asked = Asked::connect(asking).await?;
    // What is empty or missing stays as it is.
    let request = UpdateNamespaceRequest {
        namespace: name.to_owned(),
        update_info: Some(UpdateNamespaceInfo {
            description: description.clone().unwrap_or_default(),
            owner_email: email.clone().unwrap_or_default(),
            data: data.iter().cloned().collect(),
            ..UpdateNamespaceInfo::default()
        }),
        config: options.retention.map(|retention| NamespaceConfig {
            workflow_execution_retention_ttl: Some(proto_duration(retention)),
            ..NamespaceConfig::default()
        }),
        ..UpdateNamespaceRequest::default()
    };
    let answer = asked.told(asked.client.call(request).await)?;
    match asking.output {
        Output::Table => print(&format!("namespace {name} is changed\n")),
        output => print_json(&answer, output),
    }
}

async fn delete(asking: &Asking, name: Option<&str>, yes: bool) -> anyhow::Result<()> {
    let name = named(asking, name)?;
    confirm(yes, &format!("Delete namespace {name} and every workflow in it"))?;
    let asked = Asked::connect(asking).await?;
    let request = DeleteNamespaceRequest { namespace: name.to_owned(), ..DeleteNamespaceRequest::default() };
    let answer = asked.told(asked.client.call(request).await)?;
    match asking.output {
        Output::Table => print(&format!("namespace {name} is gone; its workflows are deleted in the background\n")),
        output => print_json(&answer, output),
    }
}

fn state(info: &NamespaceInfo) -> String {
    let state = NamespaceState::try_from(info.state).unwrap_or_default();
    short_name(state.as_str_name(), "NAMESPACE_STATE_")
}

fn retention(namespace: &DescribeNamespaceResponse) -> String {
    length(namespace.config.as_ref().and_then(|config| config.workflow_execution_retention_ttl))
}

fn proto_duration(duration: std::time::Duration) -> Duration {
    Duration { seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), nanos: 0 }
}
