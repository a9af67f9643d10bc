"""A collector of OpenTelemetry: a real HTTP server that takes traces and metrics as OTLP has them, and can be slow or refuse."""

import contextlib
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TIMEOUT_S = 30.0


class Collected:
    """One span as it came."""

    def __init__(self, span: Any, resource: dict[str, Any]) -> None:
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.name = span.name
        self.start_ns, self.end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.is_error = span.status.code == 2
        self.error = span.status.message
        self.resource = resource
        self.attributes = _values(span.attributes)

    def __getitem__(self, name: str) -> Any:
        return self.attributes.get(f"mainspring.{name}")

    def __repr__(self) -> str:
        return f"<{self.name} {self.trace[:4]}/{self.id[:4]} below {self.parent[:4]} {self.attributes}>"


class OtlpCollector:
    """`status` = what it answers, `slow_s` = after how long; `spans`, `metrics` (the newest) = what it took, `requests` = all headers.

    `hangs_up` = it closes a connection after each answer and does not say so, as one does with a connection that was idle for long.
    """

    def __init__(self, status: int = 200, slow_s: float = 0.0) -> None:
        self.status = status
        self.slow_s = slow_s
        self.hangs_up = False
        self.spans: list[Collected] = []
        self.metrics: dict[str, Any] = {}
        self.requests: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._ending = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.take({**dict(self.headers.items()), "path": self.path}, body)
                outer._ending.wait(outer.slow_s)
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()
                self.close_connection = self.close_connection or outer.hangs_up

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # who asked was killed
                    super().handle()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        self.requests.append(headers)
        if self.status == 200:
            self.bodies.append(body)
            if headers["path"].endswith("/v1/metrics"):
                for resource_group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.metrics = {
                        metric.name: metric for scope in resource_group.scope_metrics for metric in scope.metrics
                    }
                return
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _values(group.resource.attributes)
                self.spans += [Collected(span, resource) for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Collected]:
        return [span for span in list(self.spans) if span.name == name]

    def names(self) -> Counter[str]:
        return Counter(span.name for span in list(self.spans))

    def until(self, *names: str) -> None:
        """Wait until there is a span of each name."""
        until = time.monotonic() + TIMEOUT_S
        while missing := {name for name in names if not self.named(name)}:
            assert time.monotonic() < until, (missing, self.spans)
            time.sleep(0.01)

    def until_metrics(self) -> None:
        """Wait until metrics have come."""
        until = time.monotonic() + TIMEOUT_S
        while not self.metrics:
            assert time.monotonic() < until, self.requests
            time.sleep(0.01)

    def close(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()


def _values(attributes: Any) -> dict[str, Any]:
    return {attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in attributes}
