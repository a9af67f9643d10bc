"""The pusher: a thread that sends all metrics to a collector at an interval.

Invariants: it never ends the process and never keeps it from ending. It stores nothing for later, since the next request has all counts.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from mainspring.alerting.metrics.otlp import encode_metrics
from mainspring.alerting.metrics.series import MetricSnapshot, list_series
from mainspring.alerting.otlp.attributes import check_installed
from mainspring.alerting.otlp.collector import Collector, CollectorUnavailableError
from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.trace_span import SpanAttribute

_LOG = logging.getLogger("mainspring.metrics")


class MetricsPusher:
    """Pushes metrics after `start()`. `read` returns the metrics of now; it runs in the thread."""

    def __init__(
        self,
        read: Callable[[], MetricSnapshot],
        collector: Collector,
        resource: Mapping[str, SpanAttribute],
        redact: Callable[[str], str],
        *,
        every_s: float,
    ) -> None:
        self._read = read
        self._collector = collector
        self._resource = resource
        self._redact = redact
        self._every_s = every_s
        self._ending = threading.Event()
        self._logged_fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="mainspring-metrics", daemon=True)

    def start(self) -> None:
        """Start; the first request is immediate.

        Raises:
            ConfigError: a package for writing metrics is not installed.
        """
        check_installed()
        self._thread.start()

    def close(self) -> None:
        """Stop; a request in progress is not awaited."""
        self._ending.set()

    def push(self) -> None:
        """Send all metrics once. Log a failure when it starts and when it is over."""
        try:
            snapshot = self._read()
            self._collector.send(encode_metrics(list_series(snapshot), snapshot.now, self._resource, self._redact))
        except CollectorUnavailableError as error:
            self._log_fault(error.text)
        except MainspringError as error:
            self._log_fault(self._redact(error.message.partition("\n")[0]))
        except Exception as error:  # noqa: BLE001 - an error in Mainspring may be gone at the next request
            self._log_fault(self._redact(f"{type(error).__name__}: {error}"), error)
        else:
            self._log_fault(None)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self.push()
                self._ending.wait(self._every_s)
        finally:
            self._collector.close()

    def _log_fault(self, fault: str | None, error: Exception | None = None) -> None:
        if fault == self._logged_fault:
            return
        self._logged_fault = fault
        if fault is None:
            _LOG.warning("metrics are sent again")
        else:
            _LOG.warning("no metrics are sent: %s", fault, exc_info=error)
