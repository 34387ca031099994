//! The command line, read and checked.
//!
//! `server start-dev` takes every flag of Temporal's development server, since scripts and SDKs pass them; what has no
//! meaning here is accepted and said so where it matters. A bare port number as first argument is the form in which
//! SDKs start a test server.

mod asking;
mod value;
pub(crate) mod workflow;

pub(crate) use asking::{
    AboutNamespace, Asking, CreateNamespace, CreateSearchAttributes, DescribeNamespace, NamespaceCommand,
    NamespaceLine, Output, RemoveSearchAttributes, SearchAttributeCommand, SearchAttributeLine, UpdateNamespace,
};
pub(crate) use value::{DynamicConfig, SearchAttribute, json_payload};
pub(crate) use workflow::{WorkflowCommand, WorkflowLine};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Durable workflow execution in one binary, for every Temporal SDK.
#[derive(Debug, Parser)]
#[command(
    name = "evertide",
    version,
    after_help = "Try it:\n  evertide server start-dev               a server in memory, for development\n  \
                  evertide server start                   a server that keeps its state in a file\n  \
                  evertide server start-dev --db-filename dev.db --namespace shop --search-attribute Customer=Keyword\n  \
                  evertide 7233                           a server for tests, as SDKs start it\n  \
                  evertide workflow execute --type Order --task-queue orders --input '\"a boat\"'\n  \
                  evertide workflow list --query \"ExecutionStatus = 'Running'\"\n\n\
                  Commands and flags are those of the official Temporal CLI, which works with this server as well."
)]
struct Line {
    #[command(subcommand)]
    command: Top,
}

#[derive(Debug, Subcommand)]
enum Top {
    /// Run a server.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Start workflows, find them, look at them and send them messages.
    Workflow(Box<WorkflowLine>),
    /// Look after a server.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// A command of the official CLI.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

#[derive(Debug, Subcommand)]
enum ServerCommand {
    /// Run a server for development: in memory unless a file is named.
    StartDev(Box<StartDev>),
    /// Run a server that keeps its state in a file.
    ///
    /// Without --db-filename the file is evertide/evertide.db in $XDG_DATA_HOME, or in ~/.local/share.
    Start(Box<Start>),
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Look after the cluster.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Look after namespaces.
    Namespace(Box<NamespaceLine>),
    /// Look after search attributes.
    SearchAttribute(Box<SearchAttributeLine>),
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Say whether the server serves: SERVING and exit code 0 if it does.
    Health(Health),
}

/// `operator cluster health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Address of the server.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
    pub(crate) address: String,
    /// Accepted as every command of the official CLI does.
    #[arg(long, env = "TEMPORAL_NAMESPACE", hide = true)]
    namespace: Option<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Never,
}

/// In which form it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
    /// As text; SDKs ask for it.
    #[value(hide = true)]
    Pretty,
}

/// What both kinds of server take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Port of the gRPC services; 0 takes a free one.
    #[arg(long, short = 'p', default_value_t = 7233)]
    pub(crate) port: u16,
    /// Address on which they are served.
    #[arg(long, default_value = "localhost", value_parser = value::ip)]
    pub(crate) ip: IpAddr,
    /// Namespace to make besides `default`, if it is not there yet (repeatable).
    #[arg(long, short = 'n')]
    pub(crate) namespace: Vec<String>,
    /// Search attribute to define, as Name=Type with Text, Keyword, Int, Double, Bool, Datetime or KeywordList (repeatable).
    #[arg(long, value_name = "NAME=TYPE")]
    pub(crate) search_attribute: Vec<SearchAttribute>,
    /// Setting under the reference server's name, as KEY=JSON (repeatable); unknown keys are reported and have no effect.
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) dynamic_config_value: Vec<DynamicConfig>,
    /// Form of the log.
    #[arg(long, value_enum, default_value = "text", ignore_case = true)]
    pub(crate) log_format: LogFormat,
}

/// `server start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) common: Common,
    /// File that keeps the state.
    #[arg(long, short = 'f', env = "EVERTIDE_DB")]
    pub(crate) db_filename: Option<PathBuf>,
    /// How much is logged.
    #[arg(long, value_enum, default_value = "info", ignore_case = true)]
    pub(crate) log_level: LogLevel,
}

/// `server start-dev`.
#[derive(Debug, Args)]
pub(crate) struct StartDev {
    #[command(flatten)]
    pub(crate) common: Common,
    /// File that keeps the state; without one it is kept in memory and lost at the end.
    #[arg(long, short = 'f')]
    pub(crate) db_filename: Option<PathBuf>,
    /// How much workflows may take in memory, in MiB, when no file keeps them: beyond that those that closed first are
    /// removed before their retention is over.
    #[arg(long, default_value_t = 512)]
    pub(crate) memory_budget_mib: usize,
    /// Skip time for tests: clients unlock and lock the clock with the TestService. In memory only, since the clock
    /// begins with the machine's time again.
    #[arg(long, conflicts_with = "db_filename")]
    pub(crate) time_skipping: bool,
    /// How much is logged.
    #[arg(long, value_enum, default_value = "warn", ignore_case = true)]
    pub(crate) log_level: LogLevel,
    #[command(flatten)]
    pub(crate) accepted: Accepted,
}

/// Flags of Temporal's development server that have no meaning here. Scripts pass them, so they are not refused.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accepted for compatibility, without effect")]
pub(crate) struct Accepted {
    /// Port of the HTTP API.
    #[arg(long)]
    http_port: Option<u16>,
    /// Port of the metrics.
    #[arg(long)]
    metrics_port: Option<u16>,
    /// Port of the web UI.
    #[arg(long)]
    pub(crate) ui_port: Option<u16>,
    /// Serve no web UI.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    headless: Option<bool>,
    /// Address of the web UI.
    #[arg(long)]
    ui_ip: Option<String>,
    /// Path of the web UI behind a proxy.
    #[arg(long)]
    ui_public_path: Option<String>,
    /// Files of the web UI.
    #[arg(long)]
    ui_asset_path: Option<String>,
    /// Codec server of the web UI.
    #[arg(long)]
    ui_codec_endpoint: Option<String>,
    /// No news in the web UI.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    ui_disable_news_fetch: Option<bool>,
    /// Setting of the reference's database, as KEY=VALUE (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    sqlite_pragma: Vec<String>,
    /// Log the configuration.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    log_config: Option<bool>,
}

/// The test server: `PORT [--enable-time-skipping]`.
#[derive(Debug, Parser)]
#[command(name = "evertide")]
pub(crate) struct TestServer {
    /// Port on which it is served.
    pub(crate) port: u16,
    /// Start with the clock free to skip.
    #[arg(long)]
    pub(crate) enable_time_skipping: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    StartDev(Box<StartDev>),
    Start(Box<Start>),
    TestServer(TestServer),
    Health(Health),
    Workflow(Box<WorkflowLine>),
    Namespace(Box<NamespaceLine>),
    SearchAttribute(Box<SearchAttributeLine>),
}

/// Why nothing is done.
#[derive(Debug)]
pub(crate) enum End {
    /// Help or version: it was asked for.
    Asked(clap::Error),
    /// A mistake, in one line.
    Wrong(String),
}

impl End {
    /// Says it, and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            Self::Asked(help) => {
                // Where help cannot be printed, nothing else can be said either.
                let _ = help.print();
                ExitCode::SUCCESS
            }
            Self::Wrong(line) => {
                eprintln!("error: {line}");
                ExitCode::from(2)
            }
        }
    }
}

/// Reads a command line, program name included.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, End> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let first = arguments.get(1).and_then(|a| a.to_str()).unwrap_or_default();
    if !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit()) {
        return TestServer::try_parse_from(arguments).map(Command::TestServer).map_err(End::from);
    }
    match Line::try_parse_from(arguments)?.command {
        Top::Server(ServerCommand::StartDev(options)) => Ok(Command::StartDev(options)),
        Top::Server(ServerCommand::Start(options)) => Ok(Command::Start(options)),
        Top::Operator(OperatorCommand::Cluster(ClusterCommand::Health(options))) => Ok(Command::Health(options)),
        Top::Operator(OperatorCommand::Namespace(line)) => Ok(Command::Namespace(line)),
        Top::Operator(OperatorCommand::SearchAttribute(line)) => Ok(Command::SearchAttribute(line)),
        Top::Workflow(line) => Ok(Command::Workflow(line)),
        Top::Other(words) => Err(End::Wrong(not_ours(&words))),
    }
}

fn not_ours(words: &[OsString]) -> String {
    let word = words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
    format!(
        "`{word}` is no command of this binary, which has `server`, `workflow` and `operator`; for the others use the \
         official Temporal CLI with this server's address"
    )
}

impl From<clap::Error> for End {
    fn from(error: clap::Error) -> Self {
        use clap::error::ErrorKind as Kind;
        match error.kind() {
            Kind::DisplayHelp | Kind::DisplayVersion => Self::Asked(error),
            Kind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Self::Wrong("a command is missing; --help shows what there is".to_owned())
            }
            _ => {
                // The first paragraph says what is wrong, on several lines where it names several flags.
                let text = error.to_string();
                let said: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
                let line = said.join(" ");
                Self::Wrong(format!("{}; --help shows what there is", line.strip_prefix("error: ").unwrap_or(&line)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, End> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn told(line: &str) -> String {
        match read(line) {
            Err(End::Wrong(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sdks_start_a_dev_server_like_this() {
        let line = "temporal server start-dev --port 4711 --namespace ns --ip 127.0.0.1 --log-format pretty --log-level warn \
                    --dynamic-config-value frontend.enableServerVersionCheck=false --headless --search-attribute A=keywordlist";
        let Ok(Command::StartDev(options)) = read(line) else { panic!("not read") };
        assert_eq!((options.common.port, options.common.ip.to_string().as_str()), (4711, "127.0.0.1"));
        assert_eq!(options.common.namespace, ["ns"]);
    }

    #[test]
    fn a_bare_port_means_a_test_server() {
        let Ok(Command::TestServer(options)) = read("evertide 7234 --enable-time-skipping") else { panic!("not read") };
        assert_eq!((options.port, options.enable_time_skipping), (7234, true));
        assert!(matches!(read("evertide 7234"), Ok(Command::TestServer(_))));
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        for (line, what) in [
            ("evertide server start-dev --invalid-arg", "--invalid-arg"),
            ("evertide server start-dev --port 99999", "99999"),
            ("evertide server start-dev --search-attribute A=Number", "Number"),
            ("evertide server start-dev --ip here", "here"),
            ("evertide schedule list", "schedule"),
            ("evertide workflow start", "--type"),
            ("evertide workflow start --type T -t q --memo a=b", "a='"),
            ("evertide workflow signal --name s", "--workflow-id"),
            ("evertide workflow cancel -w a -q b", "--query"),
            ("evertide workflow start --type T -t q --input 1 --input-file x", "--input-file"),
            ("evertide workflow list --limit many", "many"),
            ("evertide workflow describe", "--workflow-id"),
            ("evertide operator namespace create shop --retention 3", "3d"),
            ("evertide 99999", "99999"),
            ("evertide", "--help"),
        ] {
            let text = told(line);
            assert!(text.contains(what) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn flags_of_the_connection_stand_anywhere_behind_the_command() {
        for line in [
            "evertide workflow list -q A=1 --limit 5 --namespace shop -o json --address h:1",
            "evertide workflow --namespace shop --address h:1 -o json list --query A=1 --limit 5",
        ] {
            let Ok(Command::Workflow(line)) = read(line) else { panic!("not read") };
            assert_eq!((line.asking.namespace.as_deref(), line.asking.output), (Some("shop"), Output::Json));
            let WorkflowCommand::List(list) = line.command else { panic!("not a list") };
            assert_eq!((list.query.as_str(), list.limit), ("A=1", Some(5)));
        }
    }

    #[test]
    fn a_workflow_is_started_as_the_official_cli_does() {
        let line = "temporal workflow start --type Order --task-queue q -w order-7 --run-timeout 90s --execution-timeout 1d \
                    --task-timeout 10s --search-attribute A=1 --memo m=[1] --headers h=2 --static-summary s --static-details d \
                    --priority-key 2 --fairness-key f --fairness-weight 1.5 --fail-existing --start-delay 1m \
                    --id-reuse-policy RejectDuplicate --id-conflict-policy UseExisting -i -1 --input 2 --input-meta encoding=x";
        let Ok(Command::Workflow(line)) = read(line) else { panic!("not read") };
        let WorkflowCommand::Start(start) = line.command else { panic!("not a start") };
        assert_eq!(
            (start.start.workflow_type.as_str(), start.input.input.as_slice()),
            ("Order", &["-1", "2"].map(String::from)[..])
        );
        assert!(matches!(read("temporal workflow start --name T --task-queue q"), Ok(Command::Workflow(_))));
        for line in [
            "temporal workflow reset -w a -e 4 --reason r",
            "temporal workflow reset with-workflow-update-options -w a --type LastWorkflowTask --reason r \
             --versioning-override-behavior auto_upgrade",
            "temporal workflow update start -w a --name u --wait-for-stage accepted",
            "temporal workflow terminate --query A=1 --yes --rps 5",
        ] {
            assert!(matches!(read(line), Ok(Command::Workflow(_))), "{line}: {:?}", read(line));
        }
    }

    #[test]
    fn every_flag_of_a_dev_server_is_taken() {
        let line = "temporal server start-dev -n first -n second --http-port 1 --metrics-port 2 --ui-port 3 --ui-ip 127.0.0.1 \
                    --ui-public-path /ui --ui-asset-path /tmp --ui-codec-endpoint http://x --ui-disable-news-fetch \
                    --sqlite-pragma journal_mode=wal --dynamic-config-value nobody.knows=\"x\" --log-config -f x.db --headless=true";
        assert!(matches!(read(line), Ok(Command::StartDev(_))));
    }
}
