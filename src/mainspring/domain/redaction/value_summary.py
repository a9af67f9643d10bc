"""Value summary for a line of log: the start of its JSON, without its secrets.

Invariants: secrets are removed while the value still has its names, and before it is cut; of a large value only as much is read as could
be shown.
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
    """Return the start of the JSON `data`; "" if it is invalid, because its content is unknown then."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    redacted = redactor.redact_data(_ValuePruner().pruned(value, 0))
    return escape(msgspec.json.encode(redacted).decode(), MAX_SUMMARY_LENGTH)


class _ValuePruner:
    """Cuts a value down to its first parts."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def pruned(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            more = len(value) - _LONGEST_PART
            # The mark shows the redactor that the text continued: the start of a secret is one.
            return value if more <= 0 else f"{value[:_LONGEST_PART]}…[+{more} characters]"
        if not isinstance(value, dict | list):
            return value
        if depth > _DEEPEST or self._left <= 0:
            return _ELLIPSIS
        return self._of_dict(value, depth) if isinstance(value, dict) else self._of_list(value, depth)

    def _of_dict(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        pruned: dict[str, Any] = {}
        for name, part in value.items():
            if self._left <= 0:
                pruned[_ELLIPSIS] = _ELLIPSIS
                break
            pruned[name] = self.pruned(part, depth + 1)
        return pruned

    def _of_list(self, value: list[Any], depth: int) -> list[Any]:
        pruned: list[Any] = []
        for part in value:
            if self._left <= 0:
                pruned.append(_ELLIPSIS)
                break
            pruned.append(self.pruned(part, depth + 1))
        return pruned
