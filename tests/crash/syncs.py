"""Counts how often the server makes its file durable: at least once for each answer that says that something was done."""
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import grpc
from server_process import ServerProcess, dev_arguments
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages
from temporalio.api.workflowservice.v1 import service_pb2_grpc

SOURCE = Path(__file__).with_name("count_syncs.c")
ROUNDS, SIGNALS = 4, 20
# Longer than the server waits before it writes its tables while nothing happens: commits after that count as well.
PAUSE_S = 0.5


class NotDurable(Exception):
    """Something was acknowledged that a power cut would have taken."""


def library(folder: Path) -> Path:
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        raise NotDurable("there is no C compiler, which building the server needs as well")
    made = folder / "count_syncs.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"], check=True)
    return made


def check(exe, folder: Path):
    """Sends signals one after the other, so that each is a commit of its own, and compares. What it found, as text."""
    counter = folder / "syncs"
    counter.write_bytes(bytes(8))
    environment = {**os.environ, "LD_PRELOAD": str(library(folder)), "COUNT_SYNCS_FILE": str(counter)}
    server = ServerProcess(exe, lambda port: dev_arguments(port, "--db-filename", str(folder / "synced.db")), environment=environment)
    with server, grpc.insecure_channel(server.target) as channel:
        stub = service_pb2_grpc.WorkflowServiceStub(channel)
        start = messages.StartWorkflowExecutionRequest(namespace="default", workflow_id="synced", request_id=str(uuid.uuid4()))
        start.workflow_type.name, start.task_queue.name = "synced", "synced"
        stub.StartWorkflowExecution(start, timeout=20)
        total = 0
        for number in range(ROUNDS):
            before = count(counter)
            for _ in range(SIGNALS):
                signal = messages.SignalWorkflowExecutionRequest(namespace="default", signal_name="signal", request_id=str(uuid.uuid4()))
                signal.workflow_execution.workflow_id = "synced"
                stub.SignalWorkflowExecution(signal, timeout=20)
            synced = count(counter) - before
            if synced < SIGNALS:
                raise NotDurable(f"{SIGNALS} signals were acknowledged in round {number + 1}, and the file was synced {synced} times")
            total += synced
            time.sleep(PAUSE_S)
    return f"{ROUNDS * SIGNALS} signals one after the other: synced {total} times"


def count(file: Path) -> int:
    return int.from_bytes(file.read_bytes(), "little")
