"""Spans as OTLP has them, in protobuf. Here texts lose their secrets and what is too long of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mainspring import __version__
from mainspring.domain.errors import ConfigError
from mainspring.domain.span import Attribute, Span

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

LONGEST = 200
"""Characters of a text."""
_SCOPE = "mainspring"
_INSTALL = "pip install 'mainspring[otel]'"


def check_installed() -> None:
    """Do nothing if spans can be written. Raises ConfigError with the line that installs what is missing."""
    try:
        import opentelemetry.proto.trace.v1.trace_pb2  # noqa: F401
    except ImportError as missing:
        raise ConfigError(f"traces need {missing.name}, which is not installed", hint=_INSTALL) from None


def encoded(spans: Sequence[Span], resource: Mapping[str, Attribute], redact: Callable[[str], str]) -> bytes:
    """Return the body of a request to `/v1/traces`."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    words = _Words(redact)
    request = ExportTraceServiceRequest()
    of_us = request.resource_spans.add()
    of_us.resource.attributes.extend(words.attributes(resource))
    scope = of_us.scope_spans.add()
    scope.scope.name, scope.scope.version = _SCOPE, __version__
    scope.spans.extend(_message(span, words) for span in spans)
    return bytes(request.SerializeToString())


class _Words:
    """The same few names stand in all spans of a part: each is looked through, and made an attribute, once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

        self._redact = redact
        self._value, self._pair = AnyValue, KeyValue
        self._texts: dict[str, str] = {}
        self._pairs: dict[tuple[str, Attribute], KeyValue] = {}

    def text(self, text: str) -> str:
        known = self._texts.get(text)
        if known is None:
            told = self._redact(text)[:LONGEST]
            known = self._texts[text] = told.encode("utf-8", "replace").decode()
        return known

    def attributes(self, attributes: Mapping[str, Attribute]) -> "list[KeyValue]":
        return [self._pairs.get(item) or self._made(*item) for item in attributes.items()]

    def _made(self, name: str, value: Attribute) -> "KeyValue":
        told = self._value(int_value=value) if isinstance(value, int) else self._value(string_value=self.text(value))
        made = self._pairs[name, value] = self._pair(key=name, value=told)
        return made


def _message(span: Span, words: _Words) -> "SpanMessage":
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    status = Status(code=Status.STATUS_CODE_ERROR, message=words.text(span.error)) if span.is_error else None
    return SpanMessage(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id or b"",
        name=words.text(span.name),
        kind=SpanMessage.SPAN_KIND_INTERNAL,
        start_time_unix_nano=max(span.start_ns, 0),
        end_time_unix_nano=max(span.end_ns, 0),
        attributes=words.attributes(span.attributes),
        links=[SpanMessage.Link(trace_id=one.trace_id, span_id=one.span_id) for one in span.links],
        status=status,
    )
