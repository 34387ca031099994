//! `operator search-attribute`.

use crate::asking::{Asked, confirm};
use crate::cli::{CreateSearchAttributes, Output, RemoveSearchAttributes, SearchAttributeCommand, SearchAttributeLine};
use crate::output::{print, print_json, short_name, table};
use anyhow::ensure;
use evertide_proto::enums::IndexedValueType;
use evertide_proto::operatorservice::{
    AddSearchAttributesRequest, ListSearchAttributesRequest, RemoveSearchAttributesRequest,
};
use std::collections::BTreeMap;

/// Does it.
pub(crate) async fn run(line: &SearchAttributeLine) -> anyhow::Result<()> {
    let output = line.asking.output;
    match &line.command {
        SearchAttributeCommand::List => list(&Asked::connect(&line.asking).await?, output).await,
        SearchAttributeCommand::Create(options) => {
            let attributes = paired(options)?;
            create(&Asked::connect(&line.asking).await?, attributes, output).await
        }
        SearchAttributeCommand::Remove(options) => {
            confirm(options.yes, &format!("Remove {}", options.name.join(", ")))?;
            remove(&Asked::connect(&line.asking).await?, options, output).await
        }
    }
}

async fn list(asked: &Asked, output: Output) -> anyhow::Result<()> {
    let request = ListSearchAttributesRequest { namespace: asked.client.namespace().to_owned() };
    let answer = asked.told(asked.client.call(request).await)?;
    if output != Output::Table {
        return print_json(&answer, output);
    }
    let row = |(name, kind): (&String, &i32), of: &str| {
        let kind = IndexedValueType::try_from(*kind).unwrap_or_default();
        vec![name.clone(), short_name(kind.as_str_name(), "INDEXED_VALUE_TYPE_"), of.to_owned()]
    };
    let custom = answer.custom_attributes.iter().map(|attribute| row(attribute, "namespace"));
    let system = answer.system_attributes.iter().map(|attribute| row(attribute, "system"));
    print(&table(&["Name", "Type", "DefinedBy"], &custom.chain(system).collect::<Vec<_>>()))
}

fn paired(options: &CreateSearchAttributes) -> anyhow::Result<BTreeMap<String, i32>> {
    let (names, kinds) = (&options.name, &options.kind);
    ensure!(
        names.len() == kinds.len(),
        "there are {} names and {} types; give each --name a --type of its own",
        names.len(),
        kinds.len()
    );
    Ok(names.iter().cloned().zip(kinds.iter().map(|kind| kind.to_proto())).collect())
}

async fn create(asked: &Asked, attributes: BTreeMap<String, i32>, output: Output) -> anyhow::Result<()> {
    let namespace = asked.client.namespace().to_owned();
    let names: Vec<_> = attributes.keys().cloned().collect();
    let request = AddSearchAttributesRequest { namespace: namespace.clone(), search_attributes: attributes };
    let answer = asked.told(asked.client.call(request).await)?;
    match output {
        Output::Table => print(&format!("{} can now be used in namespace {namespace}\n", names.join(", "))),
        Output::Json | Output::Jsonl => print_json(&answer, output),
    }
}

async fn remove(asked: &Asked, options: &RemoveSearchAttributes, output: Output) -> anyhow::Result<()> {
    let namespace = asked.client.namespace().to_owned();
    let request =
        RemoveSearchAttributesRequest { namespace: namespace.clone(), search_attributes: options.name.clone() };
    let answer = asked.told(asked.client.call(request).await)?;
    match output {
        Output::Table => print(&format!("{} removed from namespace {namespace}\n", options.name.join(", "))),
        Output::Json | Output::Jsonl => print_json(&answer, output),
    }
}
