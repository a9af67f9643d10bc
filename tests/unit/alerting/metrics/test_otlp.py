"""Metrics as a collector reads them: the same figures as a scrape's, with the published types of the format."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from mainspring.alerting.metrics.otlp import encode_metrics
from mainspring.alerting.metrics.series import COUNTERS, HISTOGRAMS, MetricSnapshot, RunMetrics, StoreSpace, list_series

NOW = 1_000_000
COUNTS = Counter(
    {("a", "succeeded"): 3, ("a", "started"): 4, ("a", "ms<=2^5"): 2, ("a", "ms<=2^40"): 1, ("a", "duration_ms"): 90}
)


def report(metrics, redact=str):
    data = encode_metrics(list_series(metrics), metrics.now, {"service.name": "x"}, redact)
    (group,) = ExportMetricsServiceRequest.FromString(data).resource_metrics
    assert group.resource.attributes[0].value.string_value == "x"
    return {metric.name: metric for metric in group.scope_metrics[0].metrics}


def labels_of(point):
    return {attribute.key: attribute.value.string_value for attribute in point.attributes}


def test_counters_and_gauges_are_reported():
    """What is absent in a scrape is absent here."""
    found = report(MetricSnapshot(NOW, RunMetrics(COUNTS, ["a"]), space=StoreSpace(5, 7)))
    runs = found["mainspring_runs_total"]
    assert runs.sum.is_monotonic
    assert runs.sum.aggregation_temporality == 2
    values = {labels_of(point)["outcome"]: point.as_double for point in runs.sum.data_points}
    assert values == {"succeeded": 3, "failed": 0, "cancelled": 0, "needs_attention": 0}
    (free,) = found["mainspring_store_free_bytes"].gauge.data_points
    assert (free.as_double, free.time_unix_nano) == (7, NOW * 1_000_000)
    assert "mainspring_alerts_unsent" not in found


def test_histogram_counts_what_lies_between_two_bounds():
    """What is above all of them too."""
    (point,) = report(MetricSnapshot(NOW, RunMetrics(COUNTS, ["a"])))[
        "mainspring_run_duration_seconds"
    ].histogram.data_points
    assert labels_of(point) == {"automation": "a"}
    assert (point.count, point.sum) == (3, 0.09)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert {bound: n for bound, n in zip(point.explicit_bounds, point.bucket_counts, strict=False) if n} == {0.064: 2}
    assert point.bucket_counts[-1] == 1


def test_secrets_are_hidden_in_labels():
    """Whatever someone named an automation."""
    found = report(
        MetricSnapshot(NOW, RunMetrics(Counter({("hush", "started"): 1}), ["hush"])),
        lambda text: text.replace("hush", "***"),
    )
    (point,) = found["mainspring_runs_started_total"].sum.data_points
    assert labels_of(point) == {"automation": "***"}


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=3), st.sampled_from(["started", "failed", "steps", "ms<=2^9"])), st.integers(0, 9)
    )
)
def test_sums_are_those_of_a_scrape(counts):
    """For each metric, label by label."""
    metrics = MetricSnapshot(NOW, RunMetrics(Counter(counts), [name for name, _ in counts]))
    found = report(metrics)
    for name, samples in list_series(metrics).items():
        if name in COUNTERS and samples:
            assert [point.as_double for point in found[name].sum.data_points] == [sample.value for sample in samples]
        if name in HISTOGRAMS and samples:
            numbers = [sample.value for sample in samples if sample.suffix == "_count"]
            assert [sum(point.bucket_counts) for point in found[name].histogram.data_points] == numbers
