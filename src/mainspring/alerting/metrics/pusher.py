"""The pusher of metrics as OTLP in protobuf: a thread that sends all metrics to a collector at an interval.

Invariants: it never ends the process and never keeps it from ending. It stores nothing for later, since the next request has all counts.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mainspring.alerting.metrics.series import COUNTERS, HELP, HISTOGRAMS, MetricSample, MetricSnapshot, list_series
from mainspring.alerting.otlp.attributes import SCOPE, AttributeEncoder, check_installed
from mainspring.alerting.otlp.collector import Collector, CollectorUnavailableError
from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.trace_span import SpanAttribute
from mainspring.version import __version__

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

_LOG = logging.getLogger("mainspring.metrics")

_NS_IN_MS = 1_000_000
_BOUND, _BEYOND = "le", "+Inf"


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


def encode_metrics(
    series: Mapping[str, Sequence[MetricSample]],
    now: int,
    resource: Mapping[str, SpanAttribute],
    redact: Callable[[str], str],
) -> bytes:
    """Return the body of a request to `/v1/metrics`: the samples of each metric at the instant `now` (ms).

    No record says when that started, so OTLP gets 0.
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    encoder = AttributeEncoder(redact)
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.extend(encoder.attributes(resource))
    scope = resource_metrics.scope_metrics.add()
    scope.scope.name, scope.scope.version = SCOPE, __version__
    for name, samples in series.items():
        if samples:
            _write_metric(scope.metrics.add(name=name, description=HELP[name]), samples, now * _NS_IN_MS, encoder)
    return bytes(request.SerializeToString())


def _write_metric(metric: "Metric", samples: Sequence[MetricSample], at_ns: int, encoder: AttributeEncoder) -> None:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    if metric.name in HISTOGRAMS:
        metric.histogram.aggregation_temporality = cumulative
        for labels, parts in _group_by_labels(samples).items():
            _write_histogram(metric, dict(labels), parts, at_ns, encoder)
        return
    if metric.name in COUNTERS:
        metric.sum.aggregation_temporality, metric.sum.is_monotonic = cumulative, True
    points = metric.sum.data_points if metric.name in COUNTERS else metric.gauge.data_points
    for sample in samples:
        points.add(time_unix_nano=at_ns, as_double=sample.value, attributes=encoder.attributes(sample.labels))


def _group_by_labels(samples: Sequence[MetricSample]) -> dict[tuple[tuple[str, str], ...], list[MetricSample]]:
    """Return the parts of each histogram, by the labels that distinguish histograms."""
    found: dict[tuple[tuple[str, str], ...], list[MetricSample]] = {}
    for sample in samples:
        key = tuple((name, text) for name, text in sample.labels.items() if name != _BOUND)
        found.setdefault(key, []).append(sample)
    return found


def _write_histogram(
    metric: "Metric", labels: dict[str, str], parts: Sequence[MetricSample], at_ns: int, encoder: AttributeEncoder
) -> None:
    """Write one histogram. A scrape counts up to each bound; OTLP counts between two bounds."""
    buckets = [(part.labels[_BOUND], int(part.value)) for part in parts if part.suffix == "_bucket"]
    up_to = [number for _, number in buckets]
    totals = {part.suffix: part.value for part in parts}
    metric.histogram.data_points.add(
        time_unix_nano=at_ns,
        attributes=encoder.attributes(labels),
        count=int(totals["_count"]),
        sum=totals["_sum"],
        explicit_bounds=[float(bound) for bound, _ in buckets if bound != _BEYOND],
        bucket_counts=[number - previous for number, previous in zip(up_to, [0, *up_to[:-1]], strict=True)],
    )
