"""The server's binary as a process: started on a free port, ready when it answers GetSystemInfo, stopped or killed."""
import signal
import socket
import subprocess
import time

import grpc
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages
from temporalio.api.workflowservice.v1 import service_pb2_grpc

READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20

# A client that waits for a server to come up should not wait for gRPC's own second between two tries.
QUICK_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
]


class NotStarted(Exception):
    """The process ended, or did not answer, before it was ready."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def dev_arguments(port, *extra):
    """`server start-dev` on a port, quiet and without a web page."""
    return ["server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--headless", "--log-level", "warn", *extra]


def test_server_arguments(port):
    """The form of the time-skipping test server: the bare port."""
    return [str(port)]


class ServerProcess:
    """One process of the binary. `arguments` makes the command line from the port, so that a restart can use the same one;
    `output` is a file for what it prints, `environment` what it gets instead of ours."""

    def __init__(self, exe, arguments=dev_arguments, port=None, output=None, environment=None):
        self.port = port or free_port()
        self.command = [str(exe), *arguments(self.port)]
        self.output = output
        self.environment = environment
        self.process = None
        self.ready_after_s = None

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.output, env=self.environment)
        try:
            self._wait_until_ready(begin + READY_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise
        self.ready_after_s = time.monotonic() - begin
        return self

    def _wait_until_ready(self, end):
        with grpc.insecure_channel(self.target, options=QUICK_RECONNECT) as channel:
            stub = service_pb2_grpc.WorkflowServiceStub(channel)
            while time.monotonic() < end:
                if self.process.poll() is not None:
                    raise NotStarted(f"{' '.join(self.command)} ended with exit code {self.process.returncode}")
                try:
                    stub.GetSystemInfo(messages.GetSystemInfoRequest(), timeout=0.5, wait_for_ready=True)
                    return
                except grpc.RpcError as e:
                    if e.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                        raise NotStarted(f"{' '.join(self.command)} answers GetSystemInfo with {e.code().name}: {e.details()}") from e
        raise NotStarted(f"{' '.join(self.command)} does not answer GetSystemInfo within {READY_TIMEOUT_S} s")

    def stop(self):
        """Asks it to end, as an operator would, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def kill(self):
        """Ends it at once, as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
