//! Filters and page tokens of someone who means harm: they are answered or refused as INVALID_ARGUMENT, and nothing else
//! happens. The rows are in a file, so that a text that got into a statement of the database would do its work.

use super::{Client, client, start};
use evertide_proto::workflowservice::{
    CountWorkflowExecutionsRequest, ListClosedWorkflowExecutionsRequest, ListOpenWorkflowExecutionsRequest,
    ListWorkflowExecutionsRequest, ScanWorkflowExecutionsRequest,
};
use evertide_server::{RunningServer, Server};
use tempfile::TempDir;
use tonic::{Code, Status};

/// How many workflows there are.
const WORKFLOWS: i64 = 3;

struct Site {
    server: RunningServer,
    client: Client,
    _folder: TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::builder().db_file(folder.path().join("evertide.db")).start().await.unwrap();
        let mut client = client(&server);
        for number in 0..WORKFLOWS {
            start(&mut client, "default", &format!("w{number}")).await;
        }
        Self { server, client, _folder: folder }
    }

    /// How many a filter finds, listed and counted, or why it is refused.
    async fn found(&mut self, query: &str) -> Result<i64, Status> {
        let request = ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            query: query.to_owned(),
            ..ListWorkflowExecutionsRequest::default()
        };
        let listed = self.client.list_workflow_executions(request).await;
        let request = CountWorkflowExecutionsRequest { namespace: "default".to_owned(), query: query.to_owned() };
        let counted = self.client.count_workflow_executions(request).await;
        let start = || query.chars().take(200).collect::<String>();
        match (listed, counted) {
            (Ok(listed), Ok(counted)) => {
                let (listed, counted) = (listed.into_inner().executions.len(), counted.into_inner().count);
                assert_eq!(usize::try_from(counted), Ok(listed), "{}", start());
                Ok(counted)
            }
            (Err(listed), Err(_)) => Err(listed),
            // Only counts have groups.
            (Err(listed), Ok(_)) => {
                assert!(listed.message().contains("GROUP BY"), "{}: {listed}", start());
                Err(listed)
            }
            (Ok(_), Err(counted)) => panic!("{}: {counted}", start()),
        }
    }

    async fn is_refused(&mut self, query: &str) {
        let told = self.found(query).await;
        let start: String = query.chars().take(200).collect();
        let code = told.map_err(|told| told.code());
        assert_eq!(code, Err(Code::InvalidArgument), "{start}");
    }

    /// Nothing has happened to what is there.
    async fn close(mut self) {
        assert_eq!(self.found("").await.unwrap(), WORKFLOWS);
        self.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_filter_is_no_way_into_the_database() {
    let mut site = Site::new().await;
    for injected in [
        "'; DROP TABLE visibility; --",
        "WorkflowId = 'w0'; DELETE FROM visibility",
        "WorkflowId = 'w0' UNION SELECT * FROM run",
        "WorkflowId = (SELECT workflow_id FROM run)",
        "WorkflowId = 'w0' OR 1 = 1",
        "1 = 1",
        "workflow_id = 'w0'",
        "WorkflowId = 'w0' /* comment",
        "`WorkflowId` = 'w0'; PRAGMA user_version = 99",
        "WorkflowId = \"w0\" AND load_extension('x')",
        "WorkflowId LIKE '%'",
        "WorkflowId = '\\'",
        "WorkflowId GLOB '*'",
        "WorkflowId = ?1",
        "WorkflowId = :namespace",
        "`'; DROP TABLE visibility; --` = 'x'",
        "ORDER BY (SELECT 1)",
        "GROUP BY ExecutionStatus HAVING 1 = 1",
    ] {
        site.is_refused(injected).await;
    }
    // Within quotes it is a value like any other.
    for value in ["'' OR ''1''=''1", "''; DROP TABLE visibility; --", "%", "\\\\", "\u{0}", "\u{202e}💥", "?1"] {
        assert_eq!(site.found(&format!("WorkflowId = '{value}'")).await.unwrap(), 0, "{value}");
        assert_eq!(site.found(&format!("WorkflowId STARTS_WITH '{value}'")).await.unwrap(), 0, "{value}");
    }
    site.close().await;
}

#[tokio::test]
async fn neither_length_nor_depth_of_a_filter_does_harm() {
    let mut site = Site::new().await;
    let many = 100_000;
    for wrong in [
        "(".repeat(many),
        ")".repeat(many),
        "NOT ".repeat(many),
        "'".repeat(many + 1),
        "`".repeat(many + 1),
        "9".repeat(many),
        "a".repeat(many),
        "WorkflowId = ".repeat(many / 10),
        format!("WorkflowId = '{}", "x".repeat(many)),
        format!("HistoryLength = {}", "9".repeat(many)),
        format!("HistoryLength = 1{}", "e".repeat(many)),
        format!("StartTime > '{}'", "9".repeat(many)),
        format!("WorkflowId IN ({}", "'x', ".repeat(many / 5)),
        format!("`{}` = 1", "n".repeat(many)),
        format!("{}WorkflowId = 'w0'{}", "(".repeat(many), ")".repeat(many - 1)),
    ] {
        site.is_refused(&wrong).await;
    }
    // These mean something. Whether a server takes them is its own affair, as long as it says so.
    for large in [
        format!("{}WorkflowId = 'w0'{}", "(".repeat(many), ")".repeat(many)),
        format!("{}WorkflowId = 'w0'", "NOT ".repeat(many)),
        format!("WorkflowId = '{}'", "x".repeat(many)),
        format!("WorkflowId IN ({}'x')", "'x', ".repeat(many / 5)),
        format!("{}WorkflowId = 'x'", "WorkflowId = 'x' AND ".repeat(many / 20)),
        format!("{}WorkflowId = 'x'", "WorkflowId = 'x' OR ".repeat(many / 20)),
        " ".repeat(many),
        "-".repeat(many),
    ] {
        if let Err(told) = site.found(&large).await {
            let start: String = large.chars().take(50).collect();
            assert_eq!(told.code(), Code::InvalidArgument, "{start}: {told}");
        }
    }
    site.close().await;
}

/// Numbers that are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const PIECES: &[&str] = &[
    "WorkflowId",
    "RunId",
    "StartTime",
    "CloseTime",
    "ExecutionStatus",
    "HistoryLength",
    "ExecutionDuration",
    "`x`",
    "Nope",
    "BuildIds",
    "TemporalNamespaceDivision",
    "=",
    "!=",
    "<",
    ">=",
    "<>",
    "IN",
    "NOT",
    "AND",
    "OR",
    "BETWEEN",
    "IS",
    "NULL",
    "STARTS_WITH",
    "LIKE",
    "ORDER BY",
    "GROUP BY",
    "LIMIT",
    "(",
    ")",
    ",",
    ";",
    "'w0'",
    "'Running'",
    "'1h'",
    "\"x\"",
    "'2024-01-01T00:00:00Z'",
    "0",
    "-1",
    "1.5",
    "1e999",
    "9223372036854775808",
    "true",
    "'",
    "`",
    "--",
    "\0",
    "💥",
    "\u{feff}",
];

#[tokio::test]
async fn filters_made_of_random_pieces_are_answered_or_refused() {
    let mut site = Site::new().await;
    let mut chance = Chance(0x5eed);
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..2000 {
        // Often a whole condition, so that some of them mean something.
        let mut words = Vec::new();
        for _ in 0..=chance.below(4) {
            let condition =
                ["WorkflowId = 'w0'", "StartTime > 0", "NOT RunId = 'r'", "ExecutionStatus IN ('Running', 2)"];
            words.push(chance.of(&condition));
            words.push(chance.of(&["AND", "OR"]));
        }
        words.pop();
        for _ in 0..chance.below(3) {
            let at = chance.below(words.len() + 1);
            words.insert(at, chance.of(PIECES));
        }
        let query = words.join(" ");
        match site.found(&query).await {
            Ok(_) => answered += 1,
            Err(told) => {
                assert_eq!(told.code(), Code::InvalidArgument, "{query}: {told}");
                refused += 1;
            }
        }
    }
    assert!(answered > 100 && refused > 100, "{answered} answered, {refused} refused");
    site.close().await;
}

#[tokio::test]
async fn forged_page_tokens_are_refused_by_every_list() {
    let mut site = Site::new().await;
    let first = ListWorkflowExecutionsRequest { namespace: "default".to_owned(), page_size: 1, ..Default::default() };
    let good = site.client.list_workflow_executions(first).await.unwrap().into_inner().next_page_token;
    let mut forged: Vec<Vec<u8>> =
        vec![b"x".to_vec(), vec![0], vec![0xff; 40], b"'; DROP TABLE run; --".to_vec(), vec![1; 100_000]];
    forged.extend((1..good.len()).map(|length| good[..length].to_vec()));
    forged.push([&good[..], b"x"].concat());
    for token in forged {
        let (namespace, next_page_token) = ("default".to_owned(), bytes::Bytes::from(token.clone()));
        let client = &mut site.client;
        macro_rules! told {
            ($method:ident, $request:ident) => {{
                let request = $request {
                    namespace: namespace.clone(),
                    next_page_token: next_page_token.clone(),
                    ..Default::default()
                };
                client.$method(request).await.map(drop).map_err(|told| told.code())
            }};
        }
        let refused = Err(Code::InvalidArgument);
        assert_eq!(told!(list_workflow_executions, ListWorkflowExecutionsRequest), refused, "{token:?}");
        assert_eq!(told!(scan_workflow_executions, ScanWorkflowExecutionsRequest), refused, "{token:?}");
        assert_eq!(told!(list_open_workflow_executions, ListOpenWorkflowExecutionsRequest), refused, "{token:?}");
        assert_eq!(told!(list_closed_workflow_executions, ListClosedWorkflowExecutionsRequest), refused, "{token:?}");
    }
    // With a bit turned over it may still be a place in the list, and then the list goes on from there.
    for bit in 0..good.len() * 8 {
        let mut token = good.to_vec();
        token[bit / 8] ^= 1 << (bit % 8);
        let request = ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            next_page_token: token.into(),
            ..ListWorkflowExecutionsRequest::default()
        };
        if let Err(told) = site.client.list_workflow_executions(request).await {
            assert_eq!(told.code(), Code::InvalidArgument, "bit {bit}: {told}");
        }
    }
    site.close().await;
}
