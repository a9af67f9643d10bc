"""Spans as a collector reads them, with the published types of the format."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mainspring.alerting.otlp.attributes import LONGEST_TEXT
from mainspring.alerting.traces.otlp import encode_spans
from mainspring.domain.runs.trace_span import TraceSpan, link_to_run, run_span_id, trace_id_of

SPAN = TraceSpan(
    trace_id=trace_id_of("r_1"), span_id=run_span_id("r_1"), name="order of s3cret", start_ns=5, end_ns=9,
    parent_id=run_span_id("r_2"), attributes={"n": 7, "long": "x" * 1_000, "odd": "\ud800"}, links=(link_to_run("r_3"),),
    is_error=True, error="bug",
)  # fmt: skip


def test_span_is_written_whole():
    """Ids as bytes, numbers as numbers; texts bounded, without secrets, and such that the format can hold them."""
    data = encode_spans([SPAN], {"service.name": "x s3cret"}, lambda text: text.replace("s3cret", "***"))
    (group,) = ExportTraceServiceRequest.FromString(data).resource_spans
    (span,) = group.scope_spans[0].spans
    assert (span.trace_id, span.span_id, span.parent_span_id) == (SPAN.trace_id, SPAN.span_id, SPAN.parent_id)
    assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == ("order of ***", 5, 9)
    assert (span.status.code, span.status.message) == (2, "bug")
    assert [(link.trace_id, link.span_id) for link in span.links] == [(trace_id_of("r_3"), run_span_id("r_3"))]
    values = {attribute.key: attribute.value for attribute in span.attributes}
    assert values["n"].int_value == 7
    assert values["long"].string_value == "x" * LONGEST_TEXT
    assert group.resource.attributes[0].value.string_value == "x ***"
    assert b"s3cret" not in data
