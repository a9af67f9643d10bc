"""Metrics on their way to a collector that takes them, is away, or refuses."""

import logging
from collections import Counter

import pytest

from mainspring.alerting.metrics.pusher import MetricsPusher
from mainspring.alerting.metrics.series import MetricSnapshot, RunMetrics
from mainspring.alerting.otlp.collector import METRICS, Collector
from mainspring.domain.errors import StoreUnavailableError
from mainspring.resources.error_text import ErrorText
from tests.otlp_collector import OtlpCollector

SAMPLE_METRICS = MetricSnapshot(1_000, RunMetrics(Counter({("a", "started"): 4}), ["a"]))


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
