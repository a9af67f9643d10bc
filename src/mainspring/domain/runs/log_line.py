"""One log line as a value, and its one written form: a JSON object on one line.

Invariants: text and fields are printable and bounded, so that a written line has at most `MAX_LINE_BYTES` and harms no reader, terminal
or parser; the caller has removed the secrets before (`domain.redaction.redactor`).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.text.escaping import escape

MAX_LINE_BYTES = 8 * 1024
"""Bytes of a written line."""
_TIME = 40
"""Bytes of `time`."""
_LONGEST_NAME = 200
_LONGEST_FIELD = 1024
_MOST_FIELDS = 50
_WIDEST_INT = 64  # bits; wider ones become text, because readers of logs know no others


class Level(StrEnum):
    """How much a line matters, least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """The number of this level in the standard library's logging."""
        return _NUMBERS[self]

    @classmethod
    def of(cls, number: int) -> "Level":
        """Return the level of a number of the standard library's logging."""
        return next((level for level in reversed(Level) if number >= _NUMBERS[level]), Level.DEBUG)


STREAM_LEVELS = {"stdout": Level.INFO, "stderr": Level.WARNING}
"""The level of printed lines."""
_NUMBERS = {Level.DEBUG: 10, Level.INFO: 20, Level.WARNING: 30, Level.ERROR: 40}


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line, and its origin; unknown fields are left out when it is written."""

    at: int
    """When (ms UTC); written as `time` too, for people and collectors."""
    level: Level
    text: str
    time: str = ""
    """ISO 8601 with UTC; only in a written line."""
    logger: str = ""
    stream: str | None = None
    """"stdout" or "stderr" of a printed line."""
    environment: str = ""
    worker: str = ""
    run: str = ""
    workflow: str = ""
    """The automation."""
    step: str = ""
    attempt: int = 0
    state: str = ""
    """The end state of the attempt or run, if the line reports its end."""
    code: str = ""
    """Of the error that it reports."""
    fingerprint: str = ""
    duration_ms: int | None = None
    input: str = ""
    """The start of the input of the attempt or run, as JSON."""
    output: str = ""
    fields: dict[str, Any] = {}


encode_json = msgspec.json.Encoder().encode
"""A line as JSON, without its `time`."""


def encode_line(line: LogLine) -> bytes:
    """Return a line as one JSON object, without a line end, of at most `MAX_LINE_BYTES`."""
    data = encode_json(replace(line, time=format_iso_instant(line.at)))
    limit = MAX_LINE_BYTES
    while len(data) > MAX_LINE_BYTES and limit > 1:  # a character takes four bytes at most
        limit //= 2
        data = encode_json(
            replace(
                line,
                time=format_iso_instant(line.at),
                text=_cut_text(line.text, limit),
                fields=_OMITTED_FIELDS if line.fields else {},
            )
        )
    return data


def fit_line(line: LogLine) -> tuple[LogLine, bytes]:
    """Return a line that fits into `MAX_LINE_BYTES`, and its JSON; one that is short enough is returned unchanged."""
    data = encode_json(line)
    if len(data) > MAX_LINE_BYTES - _TIME:
        line = replace(msgspec.json.decode(encode_line(line), type=LogLine), time="")
        data = encode_json(line)
    return line, data


def bound_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields in a form that every log can store: text, numbers and truth values, bounded and printable."""
    most = list(fields.items())[:_MOST_FIELDS] if len(fields) > _MOST_FIELDS else fields.items()
    return {escape(str(name), _LONGEST_NAME): _bound_value(value) for name, value in most}


def format_value(value: object) -> str:
    """Return a value as text, whatever its own methods do."""
    try:
        return value if type(value) is str else str(value)
    except Exception as error:  # noqa: BLE001 - the log must not fail for a value that it shows
        return f"<{type(value).__qualname__} that cannot be printed: {type(error).__qualname__}>"


def format_iso_instant(at: int) -> str:
    """Return an instant as text, in UTC and to the millisecond."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bound_value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and value.bit_length() < _WIDEST_INT:
        return value
    if type(value) is float and value - value == 0:  # neither NaN nor infinite
        return value
    return escape(format_value(value), _LONGEST_FIELD)


_OMITTED_FIELDS = {"left_out": "the fields: the line was too long"}


def _cut_text(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…[+{len(text) - limit} characters]"
