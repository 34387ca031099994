"""The server under test: the binary that EVERTIDE_BIN names, started by the SDK itself as its users start a dev server."""
import os
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import activities
import pytest
import pytest_asyncio
import workflows
from server_process import ServerProcess, dev_arguments
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker


def file_named_by(variable: str) -> str:
    path = Path(os.environ[variable])
    assert path.is_file(), f"{variable} names no file: {path}"
    return str(path)


@pytest.fixture(scope="session")
def binary() -> str:
    return file_named_by("EVERTIDE_BIN")


@pytest_asyncio.fixture(scope="session")
async def environment(binary):
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary) as environment:
        yield environment


@pytest.fixture
def client(environment) -> Client:
    return environment.client


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid.uuid4()}"


@pytest.fixture
def new_id(request):
    """Workflow ids that no other test uses and that tell whose they are."""
    return lambda: f"{request.node.name}-{uuid.uuid4()}"


def worker_on(client: Client, queue: str, **options) -> Worker:
    """A worker that knows all workflows and activities of these tests."""
    return Worker(client, task_queue=queue, workflows=workflows.ALL, activities=activities.ALL, **options)


@pytest_asyncio.fixture
async def worker(client, queue):
    async with worker_on(client, queue) as worker:
        yield worker


class DurableServer:
    """The binary on a file, to be killed and started again on the same port."""

    def __init__(self, binary, file):
        self.process = ServerProcess(binary, lambda port: dev_arguments(port, "--db-filename", str(file)))

    async def connect(self) -> Client:
        return await Client.connect(self.process.target)

    def kill_and_start_again(self):
        self.process.kill()
        self.process.start()


@pytest.fixture
def durable(binary, tmp_path):
    server = DurableServer(binary, tmp_path / "evertide.db")
    with server.process:
        yield server


@asynccontextmanager
async def serving(client, queue):
    async with worker_on(client, queue):
        yield
