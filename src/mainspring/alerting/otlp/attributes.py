"""Texts and attributes as OTLP has them. Here texts lose their secrets and what is too long of them."""

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
    """Do nothing if OTLP can be written. Raises ConfigError with the line that installs what is missing."""
    try:
        import opentelemetry.proto.trace.v1.trace_pb2  # noqa: F401
    except ImportError as missing:
        raise ConfigError(
            f"OpenTelemetry needs {missing.name}, which is not installed", hint=install_command("otel")
        ) from None


class AttributeEncoder:
    """The same few names stand in all spans of a part: each is looked through, and made an attribute, once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

        self._redact = redact
        self._value, self._pair = AnyValue, KeyValue
        self._texts: dict[str, str] = {}
        self._pairs: dict[tuple[str, SpanAttribute], KeyValue] = {}

    def text(self, text: str) -> str:
        """Return a text that may be told."""
        known = self._texts.get(text)
        if known is None:
            told = self._redact(text)[:LONGEST_TEXT]
            known = self._texts[text] = told.encode("utf-8", "replace").decode()
        return known

    def attributes(self, attributes: Mapping[str, SpanAttribute]) -> "list[KeyValue]":
        """Return attributes as messages."""
        return [self._pairs.get(item) or self._made(*item) for item in attributes.items()]

    def _made(self, name: str, value: SpanAttribute) -> "KeyValue":
        told = self._value(int_value=value) if isinstance(value, int) else self._value(string_value=self.text(value))
        made = self._pairs[name, value] = self._pair(key=name, value=told)
        return made
