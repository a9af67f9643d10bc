"""One line of log as a value, and its one written form: a JSON object on one line.

Invariants: text and fields are printable and bounded, so that a written line is at most `LONGEST` bytes and no reader, terminal or parser
is harmed by it; who makes a line has taken the secrets out of it before (`domain.redaction`).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.text import escape

LONGEST = 8 * 1024
"""Bytes of a written line."""
_TIME = 40
"""Bytes that `time` takes."""
_LONGEST_NAME = 200
_LONGEST_FIELD = 1024
_MOST_FIELDS = 50
_WIDEST_INT = 64  # bits; wider ones become text, for readers of logs know no others


class Level(StrEnum):
    """How much a line matters, least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """The number that the standard library's logging has for it."""
        return _NUMBERS[self]

    @classmethod
    def of(cls, number: int) -> "Level":
        """Return the level of a number of the standard library's logging."""
        return next((level for level in reversed(Level) if number >= _NUMBERS[level]), Level.DEBUG)


OF_STREAM = {"stdout": Level.INFO, "stderr": Level.WARNING}
"""The level of what is printed."""
_NUMBERS = {Level.DEBUG: 10, Level.INFO: 20, Level.WARNING: 30, Level.ERROR: 40}


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line, and what it belongs to; what is not known is left out where it is written."""

    at: int
    """When (ms UTC); written as `time` too, for people and collectors."""
    level: Level
    text: str
    time: str = ""
    """ISO 8601 with UTC; only in a written line."""
    logger: str = ""
    stream: str | None = None
    """"stdout" or "stderr" of what printed it."""
    environment: str = ""
    worker: str = ""
    run: str = ""
    workflow: str = ""
    """The automation."""
    step: str = ""
    attempt: int = 0
    state: str = ""
    """What became of the attempt or run, where the line tells of its end."""
    code: str = ""
    """Of the error that it tells of."""
    fingerprint: str = ""
    duration_ms: int | None = None
    input: str = ""
    """The beginning of what the attempt or run was given, as JSON."""
    output: str = ""
    fields: dict[str, Any] = {}


encode = msgspec.json.Encoder().encode
"""A line as JSON, without its `time`."""


def written(line: LogLine) -> bytes:
    """Return a line as one JSON object, without a line end, of at most `LONGEST` bytes."""
    data = encode(replace(line, time=iso_of(line.at)))
    room = LONGEST
    while len(data) > LONGEST and room > 1:  # a character takes four bytes at most
        room //= 2
        data = encode(
            replace(line, time=iso_of(line.at), text=_cut(line.text, room), fields=_LEFT_OUT if line.fields else {})
        )
    return data


def fitted(line: LogLine) -> tuple[LogLine, bytes]:
    """Return a line that is written in at most `LONGEST` bytes, and its JSON; one that is short enough is returned as it is."""
    data = encode(line)
    if len(data) > LONGEST - _TIME:
        line = replace(msgspec.json.decode(written(line), type=LogLine), time="")
        data = encode(line)
    return line, data


def plain_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as something that every log can hold: text, numbers and truth values, bounded and printable."""
    most = list(fields.items())[:_MOST_FIELDS] if len(fields) > _MOST_FIELDS else fields.items()
    return {escape(str(name), _LONGEST_NAME): _plain(value) for name, value in most}


def shown(value: object) -> str:
    """Return a value as text, whatever its own methods do."""
    try:
        return value if type(value) is str else str(value)
    except Exception as error:  # noqa: BLE001 - the log must not fail for what it is asked to show
        return f"<{type(value).__qualname__} that cannot be printed: {type(error).__qualname__}>"


def iso_of(at: int) -> str:
    """Return an instant as text, in UTC and to the millisecond."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and value.bit_length() < _WIDEST_INT:
        return value
    if type(value) is float and value - value == 0:  # neither NaN nor infinite
        return value
    return escape(shown(value), _LONGEST_FIELD)


_LEFT_OUT = {"left_out": "the fields: the line was too long"}


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[:room]}…[+{len(text) - room} characters]"
