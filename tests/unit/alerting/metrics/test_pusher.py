"""Metrics on their way to a collector that takes them, is away, or refuses.

It reads the same figures as a scrape's, with the published types of the format.
"""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from mainspring.alerting.metrics.pusher import MetricsPusher, encode_metrics
from mainspring.alerting.metrics.series import COUNTERS, HISTOGRAMS, MetricSnapshot, RunMetrics, StoreSpace, list_series
from mainspring.alerting.otlp.collector import METRICS, Collector
from mainspring.domain.errors import StoreUnavailableError
from mainspring.resources.error_text import ErrorText
from tests.otlp_collector import OtlpCollector

SAMPLE_METRICS = MetricSnapshot(1_000, RunMetrics(Counter({("a", "started"): 4}), ["a"]))

NOW = 1_000_000
COUNTS = Counter(
    {("a", "succeeded"): 3, ("a", "started"): 4, ("a", "ms<=2^5"): 2, ("a", "ms<=2^40"): 1, ("a", "duration_ms"): 90}
)


class NoSecrets:
    def get(self, name):
        raise AssertionError(name)


@pytest.fixture
def collector():
    made = OtlpCollector()
    yield made
    made.close()


@pytest.fixture
def pusher(collector):
    attempts = []

    def made(read=lambda: SAMPLE_METRICS):
        attempts.append(Collector(collector.endpoint, None, ErrorText(NoSecrets()), path=METRICS))
        return MetricsPusher(read, attempts[-1], {"service.name": "x"}, str, every_s=60.0)

    yield made
    for way in attempts:
        way.close()


def test_metrics_reach_the_collector(collector, pusher):
    """At their own path."""
    pusher().push()
    assert collector.metrics["mainspring_runs_started_total"].sum.data_points[0].as_double == 4
    assert collector.requests[0]["path"] == "/v1/metrics"


def test_fault_is_reported_when_it_starts_and_when_it_is_over(collector, pusher, caplog):
    """Not in each round."""
    caplog.set_level(logging.WARNING, "mainspring.metrics")
    metrics_pusher = pusher()
    metrics_pusher.push()
    collector.status = 404
    metrics_pusher.push()
    metrics_pusher.push()
    collector.status = 200
    metrics_pusher.push()
    assert [record.getMessage() for record in caplog.records] == [
        "no metrics are sent: it answers 404",
        "metrics are sent again",
    ]


def test_store_that_is_unreachable_ends_nothing(collector, pusher, caplog):
    """The next round has all that counts."""
    caplog.set_level(logging.WARNING, "mainspring.metrics")

    def read():
        raise StoreUnavailableError("no answer\nat x", hint="")

    pusher(read).push()
    assert [record.getMessage() for record in caplog.records] == ["no metrics are sent: no answer"]
    assert collector.metrics == {}


def test_fault_of_ours_ends_nothing(collector, pusher, caplog):
    """It is reported with its place, and the next round is tried."""
    caplog.set_level(logging.WARNING, "mainspring.metrics")
    answers = iter([ValueError("a row that nobody expected")])

    def read():
        for error in answers:
            raise error
        return SAMPLE_METRICS

    metrics_pusher = pusher(read)
    metrics_pusher.push()
    assert "no metrics are sent: ValueError: a row that nobody expected" in caplog.text
    assert "test_pusher.py" in caplog.text
    metrics_pusher.push()
    assert "mainspring_runs_started_total" in collector.metrics


def test_first_sending_is_at_once(collector, pusher):
    """And close() waits for nothing."""
    metrics_pusher = pusher()
    metrics_pusher.start()
    collector.until_metrics()
    metrics_pusher.close()
    assert [request["path"] for request in collector.requests] == ["/v1/metrics"], "the next one is a minute later"


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
