"""A collector that is away, slow, or refuses: what it gets later, what is dropped and told, and that nothing waits for it."""

import logging
import socket
import threading
import time

import pytest

from mainspring.alerting.otlp.collector import Collector
from mainspring.alerting.traces import exporter
from mainspring.alerting.traces.exporter import TraceExporter
from mainspring.alerting.traces.span_queue import SpanQueue
from mainspring.domain.runs.trace_span import TraceSpan, run_span_id, trace_id_of
from mainspring.resources.error_text import ErrorText
from tests.otlp_collector import OtlpCollector


class NoSecrets:
    def get(self, name):
        raise AssertionError(name)


def span(name):
    return TraceSpan(trace_id=trace_id_of(name), span_id=run_span_id(name), name=name, start_ns=1, end_ns=2)


@pytest.fixture
def collector():
    made = OtlpCollector()
    yield made
    made.close()


@pytest.fixture
def export(monkeypatch):
    """Make an exporter that looks often, and end it."""
    monkeypatch.setattr(exporter, "_FIRST_PAUSE_S", 0.01)
    made = []

    def make(endpoint, *, most=1_000, report_every_s=0.0):
        queue = SpanQueue(most)
        made.append(
            TraceExporter(
                queue, Collector(endpoint, None, ErrorText(NoSecrets())), {"service.name": "x"}, str,
                every_s=0.01, warn_every_s=report_every_s,
            )
        )  # fmt: skip
        made[-1].start()
        return made[-1], queue

    yield make
    for span in made:
        span.close(0)
        span._thread.join(60)


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_undelivered_spans_arrive_later_once_and_in_order(collector, export):
    """While the collector has an error of its own the part is kept, and the next ones behind it."""
    collector.status = 503
    _, queue = export(collector.endpoint)
    queue.add([span("a")])
    until(lambda: len(collector.requests) >= 2)
    queue.add([span("b")])
    collector.status = 200
    until(lambda: len(collector.spans) == 2)
    assert [span.name for span in collector.spans] == ["a", "b"]


def test_refused_spans_are_dropped_and_reported(collector, export, caplog):
    """Sending it again would be useless; what comes after it is sent."""
    collector.status = 400
    _, queue = export(collector.endpoint)
    queue.add([span("a")])
    until(lambda: any("1 spans were dropped: it answers 400" in record.getMessage() for record in caplog.records))
    collector.status = 200
    queue.add([span("b")])
    until(lambda: collector.spans)
    assert [span.name for span in collector.spans] == ["b"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirect_is_not_followed(collector, export, caplog, status):
    """The headers may hold a key: they go to the address that was configured alone."""
    collector.status = status
    _, queue = export(collector.endpoint)
    queue.add([span("a")])
    until(lambda: any(f"it answers {status}" in record.getMessage() for record in caplog.records))
    assert len(collector.requests) == 1


def test_drops_are_reported_once_a_minute(export, caplog):
    """While no one listens, nothing grows, and the log has one line, however much is dropped."""
    _, queue = export("http://127.0.0.1:9", most=5, report_every_s=60.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(200):
            queue.add([span("a")] * 10)
            assert len(queue) <= 5
        until(lambda: caplog.records)
        until(lambda: queue._dropped == 0)
        queue.add([span("a")] * 10)
        until(lambda: queue._dropped == 0)
    assert len(caplog.records) == 1
    assert "ConnectionRefusedError" in caplog.records[0].getMessage()


def test_end_waits_for_what_is_left(collector, export):
    """A process that ends in order has told all."""
    exporter, queue = export(collector.endpoint)
    queue.add([span("a")])
    exporter.close()
    assert [span.name for span in collector.spans] == ["a"]


def test_end_does_not_wait_for_a_collector_that_is_unreachable(export):
    """Nor for one that hangs any longer than was said."""
    exporter, queue = export("http://127.0.0.1:9")
    queue.add([span("a")])
    until(lambda: exporter._fault is not None)
    started = time.monotonic()
    exporter.close(60)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        other, queue = export(f"http://127.0.0.1:{mute.getsockname()[1]}")
        queue.add([span("a")])
        other.close(0.2)
        assert time.monotonic() - started < 50, "it waited for a minute"
