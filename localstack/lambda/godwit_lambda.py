"""Runs Lambda functions of the runtime provided.al2023 as processes of this machine.

LocalStack runs each function in a container, for which it needs Docker. This plug-in of
its Lambda service (chosen by LAMBDA_RUNTIME_EXECUTOR=godwit) starts the function's
`bootstrap` as a process instead and serves it the Lambda Runtime API, one process for each
execution environment, as Lambda does. There is no isolation: for one's own functions only.
"""

import json
import logging
import os
import queue
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

LOG = logging.getLogger(__name__)
STARTUP = 10  # seconds in which a function must ask for its first event, as on Lambda
KEEP_LOG = 4096  # bytes of log that an invocation's result carries, as on Lambda


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "godwit"

    def load(self, *args, **kwargs):
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.events = queue.Queue()  # invocations to be handed to the process
        self.results = queue.Queue()  # (request id, body, is error), or None when it has ended
        self.ready = threading.Event()  # the process has asked for its first event
        self.process = self.api = self.log = None
        self.env = {}

    def start(self, env_vars):
        self.env = {k: str(v) for k, v in env_vars.items() if v is not None}
        self.api = ThreadingHTTPServer(("127.0.0.1", 0), _runtime_api(self))
        self.api.daemon_threads = True
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.log = tempfile.TemporaryFile()
        self._start_process()

    def _start_process(self):
        """Starts the process; a function that has crashed gets a new one, as on Lambda."""
        code = str(self.function_version.config.code.get_unzipped_code_location())
        env = self.env | {
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.api.server_port,
            "LAMBDA_TASK_ROOT": code,
            "PATH": os.environ["PATH"],
            "TMPDIR": tempfile.gettempdir(),
            "TZ": "UTC",
        }
        self.ready.clear()
        self.events, self.results = queue.Queue(), queue.Queue()
        self.process = process = subprocess.Popen(
            [os.path.join(code, "bootstrap")], cwd=code, env=env,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._reap, args=(process, self.results), daemon=True).start()
        end = time.monotonic() + STARTUP
        while not self.ready.wait(0.02):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise RuntimeError(f"function {self.env.get('AWS_LAMBDA_FUNCTION_NAME')} did not start: {self.get_logs()}")

    def _reap(self, process, results):
        process.wait()
        results.put(None)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.api:
            self.api.shutdown()
            self.api.server_close()

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    def invoke(self, payload):
        if self.process.poll() is not None:
            self._start_process()
        request, began = payload["invoke-id"], self.log.seek(0, os.SEEK_END)
        timeout = int(self.function_version.config.timeout)
        process, results = self.process, self.results
        self.events.put(payload | {"deadline": int((time.time() + timeout) * 1000)})
        try:
            result = results.get(timeout=timeout)
        except queue.Empty:
            process.kill()
            process.wait()
            return self._failed(request, began, "Sandbox.Timedout", f"{request} Task timed out after {timeout}.00 seconds")
        if result is None:
            return self._failed(request, began, "Runtime.ExitError", f"RequestId: {request} Error: Runtime exited with status {process.returncode}")
        _, body, is_error = result
        return InvocationResult(request, body, is_error=is_error, logs=self._logs(began))

    def _failed(self, request, began, kind, message):
        body = json.dumps({"errorType": kind, "errorMessage": message}).encode()
        return InvocationResult(request, body, is_error=True, logs=self._logs(began) + message + "\n")

    def _logs(self, began):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size - began, began).decode(errors="replace")

    def get_logs(self):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), KEEP_LOG, max(0, size - KEEP_LOG)).decode(errors="replace")

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        """Keeps the code: a version with other settings but the same code may have taken its place."""


def _runtime_api(executor):
    """The Lambda Runtime API, version 2018-06-01, for one executor's process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # .../runtime/invocation/next
            events = executor.events
            executor.ready.set()
            event = events.get()
            body = event["payload"].encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", event["invoke-id"])
            self.send_header("Lambda-Runtime-Deadline-Ms", str(event["deadline"]))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", event["invoked-function-arn"])
            self.send_header("Lambda-Runtime-Trace-Id", event.get("trace-id", ""))
            self._send(body)

        def do_POST(self):  # .../runtime/invocation/ID/response or .../error, .../runtime/init/error
            parts = self.path.rstrip("/").split("/")
            body = self._body()
            if parts[-2] != "init":
                executor.results.put((parts[-2], body, parts[-1] == "error"))
            else:
                LOG.warning("function failed to start: %s", body.decode(errors="replace"))
            self.send_response(202)
            self._send(b"{}")

        def _body(self):
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _send(self, body):
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler
