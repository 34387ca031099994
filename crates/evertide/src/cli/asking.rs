//! The commands that ask a server, under the names and flags that the official CLI has for them.

use super::value::{self, Attribute};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// Which server is asked, and in which form the answer is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server and output")]
pub(crate) struct Asking {
    /// Address of the server, as host:port. Otherwise TEMPORAL_ADDRESS, then the profile, then localhost:7233.
    #[arg(long, global = true)]
    pub(crate) address: Option<String>,
    /// Namespace to work in. Otherwise TEMPORAL_NAMESPACE, then the profile, then default.
    #[arg(long, short = 'n', global = true)]
    pub(crate) namespace: Option<String>,
    /// API key to send. Otherwise TEMPORAL_API_KEY, then the profile.
    #[arg(long, global = true)]
    pub(crate) api_key: Option<String>,
    /// Profile of the configuration file that SDKs read as well.
    #[arg(long, global = true)]
    pub(crate) profile: Option<String>,
    /// Name to sign requests with.
    #[arg(long, global = true)]
    pub(crate) identity: Option<String>,
    /// Form of the answer.
    #[arg(long, short = 'o', global = true, value_enum, default_value = "table", ignore_case = true)]
    pub(crate) output: Output,
}

/// In which form an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// The API's messages as JSON, with values that are JSON themselves as such.
    Json,
    /// The same, with each message of a list on a line of its own.
    Jsonl,
}

/// `operator search-attribute ...`.
#[derive(Debug, Args)]
pub(crate) struct SearchAttributeLine {
    #[command(flatten)]
    pub(crate) asking: Asking,
    #[command(subcommand)]
    pub(crate) command: SearchAttributeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SearchAttributeCommand {
    /// List the search attributes of a namespace.
    List,
    /// Define search attributes: each --name with its --type.
    Create(CreateSearchAttributes),
    /// Remove search attributes. Workflows keep their values, and can no longer be found by them.
    Remove(RemoveSearchAttributes),
}

/// `operator search-attribute create`.
#[derive(Debug, Args)]
pub(crate) struct CreateSearchAttributes {
    /// Name (repeatable).
    #[arg(long, required = true)]
    pub(crate) name: Vec<String>,
    /// Text, Keyword, Int, Double, Bool, Datetime or KeywordList, for the name in the same place (repeatable).
    #[arg(long = "type", required = true, value_name = "TYPE", value_parser = value::attribute_type)]
    pub(crate) kind: Vec<Attribute>,
}

/// `operator search-attribute remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveSearchAttributes {
    /// Name (repeatable).
    #[arg(long, required = true)]
    pub(crate) name: Vec<String>,
    /// Do not ask whether this is meant.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

/// `operator namespace ...`.
#[derive(Debug, Args)]
pub(crate) struct NamespaceLine {
    #[command(flatten)]
    pub(crate) asking: Asking,
    #[command(subcommand)]
    pub(crate) command: NamespaceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NamespaceCommand {
    /// List all namespaces.
    List,
    /// Tell what there is to know about a namespace.
    Describe(DescribeNamespace),
    /// Make a namespace.
    Create(CreateNamespace),
    /// Change a namespace; what is not given stays as it is.
    Update(UpdateNamespace),
    /// Delete a namespace with everything in it.
    Delete(DeleteNamespace),
}

/// `operator namespace describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeNamespace {
    /// Name of the namespace, or --namespace.
    pub(crate) name: Option<String>,
    /// Id of the namespace, instead of its name.
    #[arg(long, conflicts_with = "name")]
    pub(crate) namespace_id: Option<String>,
}

/// `operator namespace create`.
#[derive(Debug, Args)]
pub(crate) struct CreateNamespace {
    /// Name of the namespace, or --namespace.
    pub(crate) name: Option<String>,
    /// How long closed runs are kept, like 12h or 3d.
    #[arg(long, default_value = "72h", value_parser = value::duration)]
    pub(crate) retention: Duration,
    #[command(flatten)]
    pub(crate) about: AboutNamespace,
}

/// `operator namespace update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateNamespace {
    /// Name of the namespace, or --namespace.
    pub(crate) name: Option<String>,
    /// How long closed runs are kept, like 12h or 3d.
    #[arg(long, value_parser = value::duration)]
    pub(crate) retention: Option<Duration>,
    #[command(flatten)]
    pub(crate) about: AboutNamespace,
}

/// What is told about a namespace.
#[derive(Debug, Args)]
pub(crate) struct AboutNamespace {
    /// What it is for.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// Whom to ask about it.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Data of your own, as KEY=VALUE (repeatable).
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::key_value)]
    pub(crate) data: Vec<(String, String)>,
}

/// `operator namespace delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteNamespace {
    /// Name of the namespace, or --namespace.
    pub(crate) name: Option<String>,
    /// Do not ask whether this is meant.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}
