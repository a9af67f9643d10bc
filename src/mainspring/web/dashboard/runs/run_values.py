"""Stored values of a run as a page shows them: without secrets, indented, cut if they are large, and named if they are sealed."""

from typing import Final

import msgspec

from mainspring.domain.text.phrases import format_bytes
from mainspring.domain.values.sealing import FILE_MARK, find_reference, split_sealed
from mainspring.insight.text.formatting import escape_text
from mainspring.insight.text.hidden_values import hide_in_value

LARGEST: Final = 20_000
"""Characters of a value; the rest is available on the command line and in the API."""
_COLLAPSED_CHARACTERS, _COLLAPSED_LINES = 800, 16
_INDENT_AT_MOST = 200_000


class ValueView(msgspec.Struct, frozen=True):
    """A value. `note` replaces what cannot be displayed; `is_collapsed` = it is collapsed at first."""

    name: str
    text: str
    size: str
    note: str = ""
    is_collapsed: bool = False


def build_value(name: str, data: bytes | None) -> ValueView | None:
    """Return a value for display; None = there is none."""
    if data is None:
        return None
    reference = find_reference(data)
    if reference is not None:
        size = format_bytes(reference.blob.size)
        return ValueView(name, "", size, f"stored by reference: {size}; the command line and the API have it")
    size = format_bytes(len(data))
    sealed = split_sealed(data)
    if sealed is not None:
        return ValueView(name, "", size, f"sealed by codec {sealed.codec!r}, which this process does not have: {size}")
    text = escape_text(_format_json(data))
    note = f"shortened: it has {size}" if len(text) > LARGEST else ""
    text = text[:LARGEST]
    return ValueView(name, text, size, note, len(text) > _COLLAPSED_CHARACTERS or text.count("\n") > _COLLAPSED_LINES)


def build_values(**named: bytes | None) -> list[ValueView]:
    """Return the values that exist."""
    return [value for name, data in named.items() if (value := build_value(name.replace("_", " "), data)) is not None]


def _format_json(data: bytes) -> str:
    if FILE_MARK in data:  # its keys stand anywhere in it
        data = hide_in_value(data) or b""
    if len(data) > _INDENT_AT_MOST:
        data = data[:_INDENT_AT_MOST]
    redacted = hide_in_value(data) or b""
    try:
        msgspec.json.decode(redacted)  # formatting alone would accept invalid JSON
        return msgspec.json.format(redacted, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return redacted.decode("utf-8", "replace")
