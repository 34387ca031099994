//! A server as a child process: started on a free port, measured through `/proc`, killed at the end.

use anyhow::Context;
use evertide_proto::workflowservice::GetSystemInfoRequest;
use evertide_proto::workflowservice::workflow_service_client::WorkflowServiceClient;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    command: String,
    port: u16,
    folder: tempfile::TempDir,
}

impl ServerProcess {
    /// Starts the command with a free port added; `{file}` in it becomes a fresh path.
    pub(crate) fn start(command: &str) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let child = spawn(command, port, &folder)?;
        Ok(Self { child, command: command.to_owned(), port, folder })
    }

    /// Stops it as an operator would, and starts it again on the same file.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        self.child = spawn(&self.command, self.port, &self.folder)?;
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it answers.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        for _ in 0..5000 {
            if let Ok(mut client) = WorkflowServiceClient::connect(self.address()).await
                && client.get_system_info(GetSystemInfoRequest::default()).await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::bail!("not ready after 10 s")
    }

    /// CPU time that it has used, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        /// Clock ticks a second, as Linux reports them to every process.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').context("unreadable stat")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS_PER_SECOND))
    }

    /// Memory that it holds, MB.
    pub(crate) fn rss_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most memory that it has held so far, MB.
    pub(crate) fn peak_rss_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, key: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with(key)).with_context(|| format!("no {key}"))?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no value")?.parse()?;
        Ok(kilobytes / 1024.0)
    }
}

fn spawn(command: &str, port: u16, folder: &tempfile::TempDir) -> anyhow::Result<Child> {
    let file = folder.path().join("bench.db").display().to_string();
    let words: Vec<String> = command.split_whitespace().map(|w| w.replace("{file}", &file)).collect();
    let (program, arguments) = words.split_first().context("the server command is empty")?;
    Command::new(program)
        .args(arguments)
        .args(["--port", &port.to_string(), "--headless"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {program}"))
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
