"""Attributes and texts as OTLP has them. This module redacts and shortens texts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.runs.trace_span import SpanAttribute

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

LONGEST_TEXT = 200
"""Characters of a text."""
SCOPE = "mainspring"


def check_installed() -> None:
    """Check that OTLP can be written. Raises ConfigError with the command that installs what is missing."""
    try:
        import opentelemetry.proto.trace.v1.trace_pb2  # noqa: F401
    except ImportError as missing:
        raise ConfigError(
            f"OpenTelemetry needs {missing.name}, which is not installed", hint=install_command("otel")
        ) from None


class AttributeEncoder:
    """Encodes attributes. Spans of a request share few names, so each is redacted and encoded once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

        self._redact = redact
        self._value, self._pair = AnyValue, KeyValue
        self._texts: dict[str, str] = {}
        self._pairs: dict[tuple[str, SpanAttribute], KeyValue] = {}

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        known = self._texts.get(text)
        if known is None:
            redacted = self._redact(text)[:LONGEST_TEXT]
            known = self._texts[text] = redacted.encode("utf-8", "replace").decode()
        return known

    def attributes(self, attributes: Mapping[str, SpanAttribute]) -> "list[KeyValue]":
        """Return attributes as messages."""
        return [self._pairs.get(item) or self._encode(*item) for item in attributes.items()]

    def _encode(self, name: str, value: SpanAttribute) -> "KeyValue":
        encoded_value = (
            self._value(int_value=value) if isinstance(value, int) else self._value(string_value=self.text(value))
        )
        pair = self._pairs[name, value] = self._pair(key=name, value=encoded_value)
        return pair
