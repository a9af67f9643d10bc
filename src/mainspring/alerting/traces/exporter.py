"""The exporter: a thread that takes spans from the queue, sends them to a collector, and waits while the collector is unavailable.

Invariants: it never ends the process and never keeps it from ending. Besides the queue it holds one batch.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from mainspring.alerting.otlp.attributes import check_installed
from mainspring.alerting.otlp.collector import Collector, CollectorRejectsError, CollectorUnavailableError
from mainspring.alerting.traces.otlp import encode_spans
from mainspring.alerting.traces.span_queue import SpanQueue
from mainspring.domain.runs.trace_span import SpanAttribute, TraceSpan

_LOG = logging.getLogger("mainspring.traces")
EVERY_S = 1.0
CLOSE_WITHIN_S = 2.0
WARN_EVERY_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class TraceExporter:
    """Exports spans after `start()`. `resource` = what all spans of this process share."""

    def __init__(
        self,
        queue: SpanQueue,
        collector: Collector,
        resource: Mapping[str, SpanAttribute],
        redact: Callable[[str], str],
        *,
        every_s: float = EVERY_S,
        warn_every_s: float = WARN_EVERY_S,
    ) -> None:
        self._queue = queue
        self._collector = collector
        self._resource = resource
        self._redact = redact
        self._every_s = every_s
        self._warn_every_s = warn_every_s
        self._ending = threading.Event()
        self._fault: str | None = None
        self._lost = 0
        self._logged_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="mainspring-traces", daemon=True)

    def start(self) -> None:
        """Start.

        Raises:
            ConfigError: a package for writing spans is not installed.
        """
        check_installed()
        self._thread.start()

    def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Send what is left, for up to `within_s` seconds; nothing if the collector was unavailable at the last attempt."""
        self._ending.set()
        self._queue.hurry()
        if self._thread.is_alive() and self._fault is None:
            self._thread.join(within_s)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._queue.wait(self._every_s)
                self._send_all()
            self._send_all()
        except Exception:  # noqa: BLE001  runs continue without traces
            _LOG.exception("traces end here")
        finally:
            self._collector.close()

    def _send_all(self) -> None:
        """Send all waiting spans; more may arrive meanwhile."""
        while spans := self._queue.take():
            self._send(spans)
            self._log_dropped()
        self._log_dropped()

    def _send(self, spans: list[TraceSpan]) -> None:
        """Send a batch until it is accepted or rejected, or until this process ends."""
        body, pause = encode_spans(spans, self._resource, self._redact), _FIRST_PAUSE_S
        while True:
            try:
                self._collector.send(body)
            except CollectorRejectsError as error:
                self._fault = error.text
                self._queue.count_dropped(len(spans))
                return
            except CollectorUnavailableError as error:
                self._fault = error.text
                self._log_dropped()
                if self._ending.wait(pause):
                    self._queue.count_dropped(len(spans))
                    return
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                self._fault = None
                return

    def _log_dropped(self) -> None:
        """Log how many spans were dropped, at most once a minute."""
        self._lost += self._queue.take_dropped()
        now = time.monotonic()
        if self._lost and now - self._logged_at >= self._warn_every_s:
            _LOG.warning("%d spans were dropped: %s", self._lost, self._fault or "the queue was full")
            self._lost, self._logged_at = 0, now
