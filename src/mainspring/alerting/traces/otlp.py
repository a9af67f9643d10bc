"""Spans as OTLP in protobuf. This module redacts and shortens texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mainspring.alerting.otlp.attributes import SCOPE, AttributeEncoder
from mainspring.domain.runs.trace_span import SpanAttribute, TraceSpan
from mainspring.version import __version__

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage


def encode_spans(
    spans: Sequence[TraceSpan], resource: Mapping[str, SpanAttribute], redact: Callable[[str], str]
) -> bytes:
    """Return the body of a request to `/v1/traces`."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    encoder = AttributeEncoder(redact)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(encoder.attributes(resource))
    scope = resource_spans.scope_spans.add()
    scope.scope.name, scope.scope.version = SCOPE, __version__
    scope.spans.extend(_build_message(span, encoder) for span in spans)
    return bytes(request.SerializeToString())


def _build_message(span: TraceSpan, encoder: AttributeEncoder) -> "SpanMessage":
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    status = Status(code=Status.STATUS_CODE_ERROR, message=encoder.text(span.error)) if span.is_error else None
    return SpanMessage(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id or b"",
        name=encoder.text(span.name),
        kind=SpanMessage.SPAN_KIND_INTERNAL,
        start_time_unix_nano=max(span.start_ns, 0),
        end_time_unix_nano=max(span.end_ns, 0),
        attributes=encoder.attributes(span.attributes),
        links=[SpanMessage.Link(trace_id=link.trace_id, span_id=link.span_id) for link in span.links],
        status=status,
    )
