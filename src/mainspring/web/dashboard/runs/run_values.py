"""Stored values as a page shows them: without secrets, laid out, cut where they are large, and told of where they are sealed."""

from typing import Final

import msgspec

from mainspring.domain.text.phrases import format_bytes
from mainspring.domain.values.sealing import split_sealed
from mainspring.insight.text.formatting import escape_text
from mainspring.insight.text.hidden_values import hide_in_value

LARGEST: Final = 20_000
"""Characters of a value; whoever wants more of it takes it by the command line or the API."""
_FOLDED_CHARACTERS, _FOLDED_LINES = 800, 16
_INDENT_AT_MOST = 200_000


class ValueView(msgspec.Struct, frozen=True):
    """A value. `note` stands in place of what cannot be shown; `is_folded` = it is opened by whoever wants to see it."""

    name: str
    text: str
    size: str
    note: str = ""
    is_folded: bool = False


def build_value(name: str, data: bytes | None) -> ValueView | None:
    """Return a value as it is shown; None = there is none."""
    if data is None:
        return None
    size = format_bytes(len(data))
    sealed = split_sealed(data)
    if sealed is not None:
        return ValueView(name, "", size, f"sealed by codec {sealed.codec!r}, which this process does not have: {size}")
    text = escape_text(_format_json(data))
    note = f"cut here: it has {size}" if len(text) > LARGEST else ""
    text = text[:LARGEST]
    return ValueView(name, text, size, note, len(text) > _FOLDED_CHARACTERS or text.count("\n") > _FOLDED_LINES)


def build_values(**named: bytes | None) -> list[ValueView]:
    """Return those that are there."""
    return [found for name, data in named.items() if (found := build_value(name.replace("_", " "), data)) is not None]


def _format_json(data: bytes) -> str:
    if len(data) > _INDENT_AT_MOST:
        data = data[:_INDENT_AT_MOST]
    kept = hide_in_value(data) or b""
    try:
        msgspec.json.decode(kept)  # laying out alone would take what is no JSON as well
        return msgspec.json.format(kept, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return kept.decode("utf-8", "replace")
