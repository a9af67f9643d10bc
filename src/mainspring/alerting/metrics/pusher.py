"""The thread that sends all metrics to a collector, again and again.

Invariants: it never ends the process and never keeps it from ending; nothing is kept for later, for the next sending has all that counts.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from mainspring.alerting.metrics.otlp import encode_metrics
from mainspring.alerting.metrics.series import MetricFigures, list_series
from mainspring.alerting.otlp.attributes import check_installed
from mainspring.alerting.otlp.collector import Collector, CollectorUnavailableError
from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.trace_span import SpanAttribute

_LOG = logging.getLogger("mainspring.metrics")


class MetricsPusher:
    """Begun by `start()`. `read` returns the figures of now; it is called in the thread."""

    def __init__(
        self,
        read: Callable[[], MetricFigures],
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
        self._told: str | None = None
        self._thread = threading.Thread(target=self._live, name="mainspring-metrics", daemon=True)

    def start(self) -> None:
        """Begin; the first sending is at once.

        Raises:
            ConfigError: what writes the metrics is not installed.
        """
        check_installed()
        self._thread.start()

    def close(self) -> None:
        """End; a sending that is under way is not waited for."""
        self._ending.set()

    def push(self) -> None:
        """Send all metrics once; where that fails, say so when it begins and when it is over."""
        try:
            figures = self._read()
            self._collector.send(encode_metrics(list_series(figures), figures.now, self._resource, self._redact))
        except CollectorUnavailableError as error:
            self._tell(error.text)
        except MainspringError as error:
            self._tell(self._redact(error.message.partition("\n")[0]))
        except Exception as error:  # noqa: BLE001 - a fault of ours: what cannot be read now may be gone by the next sending
            self._tell(self._redact(f"{type(error).__name__}: {error}"), error)
        else:
            self._tell(None)

    def _live(self) -> None:
        try:
            while not self._ending.is_set():
                self.push()
                self._ending.wait(self._every_s)
        finally:
            self._collector.close()

    def _tell(self, fault: str | None, ours: Exception | None = None) -> None:
        if fault == self._told:
            return
        self._told = fault
        if fault is None:
            _LOG.warning("metrics are sent again")
        else:
            _LOG.warning("no metrics are sent: %s", fault, exc_info=ours)
