"""Metrics as OTLP in protobuf, with the names and labels of a scrape. Counters and histograms count since the store exists.

No record says when that started, so OTLP gets 0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mainspring.alerting.metrics.sample import MetricSample
from mainspring.alerting.metrics.series import COUNTERS, HELP, HISTOGRAMS
from mainspring.alerting.otlp.attributes import SCOPE, AttributeEncoder
from mainspring.domain.runs.trace_span import SpanAttribute
from mainspring.version import __version__

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

_NS_IN_MS = 1_000_000
_BOUND, _BEYOND = "le", "+Inf"


def encode_metrics(
    series: Mapping[str, Sequence[MetricSample]],
    now: int,
    resource: Mapping[str, SpanAttribute],
    redact: Callable[[str], str],
) -> bytes:
    """Return the body of a request to `/v1/metrics`: the samples of each metric at the instant `now` (ms)."""
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
