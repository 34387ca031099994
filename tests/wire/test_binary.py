"""The command line, as SDKs, scripts and service managers use it."""
import signal
import socket
import subprocess

import grpc
import pytest
from server_process import NotStarted, ServerProcess, dev_arguments, free_port
from temporalio.client import Client
from temporalio.service import RPCError

STOP_TIMEOUT_S = 20


def fails(binary, *arguments) -> str:
    """Runs a command that has to end by itself with an error; what it said."""
    done = subprocess.run([binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STOP_TIMEOUT_S)
    assert done.returncode not in (0, -signal.SIGABRT, -signal.SIGSEGV), done
    assert "panicked" not in done.stderr, done.stderr
    return done.stderr


def test_says_where_it_serves(binary, tmp_path):
    printed = tmp_path / "printed.txt"
    with printed.open("w") as output, ServerProcess(binary, output=output) as server:
        server.stop()
    where = [line for line in printed.read_text().splitlines() if line.startswith("Temporal Server:")]
    assert len(where) == 1, printed.read_text()
    assert where[0].endswith(f":{server.port}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_in_good_order(binary, number):
    with ServerProcess(binary) as server:
        server.process.send_signal(number)
        assert server.process.wait(STOP_TIMEOUT_S) == 0


def test_unknown_flag(binary):
    assert "--no-such-flag" in fails(binary, *dev_arguments(free_port(), "--no-such-flag"))


def test_port_in_use(binary):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in fails(binary, *dev_arguments(port))


def test_file_in_use(binary, tmp_path):
    file = str(tmp_path / "evertide.db")
    with ServerProcess(binary, lambda port: dev_arguments(port, "--db-filename", file)):
        assert file in fails(binary, *dev_arguments(free_port(), "--db-filename", file))


def test_file_that_is_not_ours(binary, tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, this is no database.\n" * 100)
    assert str(file) in fails(binary, *dev_arguments(free_port(), "--db-filename", str(file)))
    assert file.read_text().startswith("Dear reader")


def test_same_under_the_name_temporal(binary, tmp_path):
    link = tmp_path / "temporal"
    link.symlink_to(binary)
    with ServerProcess(link):
        pass


def test_every_flag_of_a_dev_server(binary, tmp_path):
    """Scripts pass all of them; settings that mean nothing here are accepted."""
    extra = [
        "--namespace", "first", "--namespace", "second", "--http-port", str(free_port()), "--metrics-port", str(free_port()),
        "--ui-port", str(free_port()), "--ui-ip", "127.0.0.1", "--ui-public-path", "/ui", "--ui-asset-path", str(tmp_path),
        "--ui-codec-endpoint", "http://127.0.0.1:1", "--ui-disable-news-fetch", "--sqlite-pragma", "journal_mode=wal",
        "--sqlite-pragma", "synchronous=normal", "--dynamic-config-value", "frontend.enableUpdateWorkflowExecution=true",
        "--dynamic-config-value", 'nobody.knows.this="at all"', "--search-attribute", "Customer=Keyword",
        "--search-attribute", "Amount=double", "--log-format", "pretty", "--db-filename", str(tmp_path / "evertide.db"),
    ]
    with ServerProcess(binary, lambda port: dev_arguments(port, *extra)):
        pass


async def test_durable_without_a_word(binary, tmp_path, monkeypatch):
    """`server start` keeps its state in a file of its own choice, says which, and finds it again."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    printed = tmp_path / "printed.txt"
    start = lambda port: ["server", "start", "--port", str(port), "--log-level", "warn"]  # noqa: E731
    with printed.open("w") as output, ServerProcess(binary, start, output=output) as server:
        client = await Client.connect(server.target)
        handle = await client.start_workflow("any", id="kept", task_queue="any")
        server.stop()
    file, = (tmp_path / "data").rglob("*.db")
    assert str(file) in printed.read_text()
    with ServerProcess(binary, start) as server:
        client = await Client.connect(server.target)
        assert (await client.get_workflow_handle("kept").describe()).run_id == handle.result_run_id


def test_in_memory_says_so(binary, tmp_path):
    printed = tmp_path / "printed.txt"
    with printed.open("w") as output, ServerProcess(binary, output=output) as server:
        server.stop()
    assert "memory" in printed.read_text()


def test_cluster_health(binary):
    with ServerProcess(binary) as server:
        health = [binary, "operator", "cluster", "health", "--address", server.target]
        done = subprocess.run(health, capture_output=True, text=True, timeout=STOP_TIMEOUT_S)
        assert (done.returncode, done.stdout.strip()) == (0, "SERVING")
    fails(*health)


async def test_namespaces_of_the_command_line(binary):
    with ServerProcess(binary, lambda port: dev_arguments(port, "--namespace", "first")) as server:
        for namespace in ("default", "first"):
            client = await Client.connect(server.target, namespace=namespace)
            assert await client.start_workflow("any", id="same id in each", task_queue="any")
        stranger = await Client.connect(server.target, namespace="second")
        with pytest.raises(RPCError, match="second"):
            await stranger.start_workflow("any", id="any", task_queue="any")


@pytest.mark.parametrize(("service", "answer"), [
    (b"", b"\x08\x01"),
    (b"\x0a\x2ftemporal.api.workflowservice.v1.WorkflowService", b"\x08\x01"),
])
def test_health(environment, service, answer):
    """grpc.health.v1: 1 is SERVING."""
    with grpc.insecure_channel(environment.client.service_client.config.target_host) as channel:
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(service, timeout=5) == answer


def test_not_started_is_told():
    """The tests' own way to start a server notices one that ends at once."""
    with pytest.raises(NotStarted):
        ServerProcess("true").start()
