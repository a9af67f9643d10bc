"""A value in a few words, for a line of log: the beginning of its JSON, without its secrets.

Invariants: secrets are taken out while the value still has its names, and before it is cut; of a large value only so much is looked at as
could be shown.
"""

from typing import Any

import msgspec

from mainspring.domain.redaction.redactor import Redactor
from mainspring.domain.text.escaping import escape

MAX_SUMMARY_LENGTH = 200
"""Characters of a summary."""
_MOST_PARTS = 100
_LONGEST_PART = 1_000
_DEEPEST = 20
_ELLIPSIS = "…"


def summarize_value(data: bytes, redactor: Redactor) -> str:
    """Return the beginning of the JSON `data`; "" of what is none, for nobody knows then what it holds."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    shown = redactor.redact_data(_ValuePruner().pruned(value, 0))
    return escape(msgspec.json.encode(shown).decode(), MAX_SUMMARY_LENGTH)


class _ValuePruner:
    """Cuts a value down to the parts that come first."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def pruned(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            more = len(value) - _LONGEST_PART
            # The mark tells the redactor that the text went on: the beginning of a secret is one.
            return value if more <= 0 else f"{value[:_LONGEST_PART]}…[+{more} characters]"
        if not isinstance(value, dict | list):
            return value
        if depth > _DEEPEST or self._left <= 0:
            return _ELLIPSIS
        return self._of_dict(value, depth) if isinstance(value, dict) else self._of_list(value, depth)

    def _of_dict(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, part in value.items():
            if self._left <= 0:
                kept[_ELLIPSIS] = _ELLIPSIS
                break
            kept[name] = self.pruned(part, depth + 1)
        return kept

    def _of_list(self, value: list[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        for part in value:
            if self._left <= 0:
                kept.append(_ELLIPSIS)
                break
            kept.append(self.pruned(part, depth + 1))
        return kept
