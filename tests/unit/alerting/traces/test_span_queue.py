"""What waits for the collector is bounded, and what is over it is counted."""

from mainspring.alerting.traces.span_queue import PART, SpanQueue
from mainspring.domain.runs.trace_span import TraceSpan, run_span_id, trace_id_of


def spans(number):
    return [
        TraceSpan(trace_id=trace_id_of(f"r_{n}"), span_id=run_span_id(f"r_{n}"), name=f"{n}", start_ns=n, end_ns=n)
        for n in range(number)
    ]


def test_spans_over_the_limit_are_dropped_and_counted():
    """The oldest stay: they are the beginning of traces; each count is reported once."""
    queue = SpanQueue(most=3)
    queue.add(spans(2))
    queue.add(spans(4))
    assert len(queue) == 3
    assert queue.take_dropped() == 3
    assert queue.take_dropped() == 0
    assert [span.name for span in queue.take()] == ["0", "1", "0"]
    assert queue.take() == []


def test_parts_are_taken_in_order():
    """No part is larger than a request should be."""
    queue = SpanQueue()
    queue.add(spans(PART + 5))
    assert [span.name for span in queue.take()] == [str(n) for n in range(PART)]
    assert [span.name for span in queue.take()] == [str(n) for n in range(PART, PART + 5)]
