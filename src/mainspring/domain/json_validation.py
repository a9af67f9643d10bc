"""JSON validation: find what keeps a value, or a text, from being JSON: the path of the first error, and the reason."""

import json
import re
from math import isfinite

_DEEPEST = 64
_SMALLEST_INT = -(2**63)
_LARGEST_INT = 2**64 - 1
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]|([\]}])")


def find_json_error(value: object, path: str = "$", depth: int = _DEEPEST) -> tuple[str, str] | None:
    """Return (path, reason) of the first part that is not JSON, None if all is.

    JSON is None, bool, int of 64 bits, finite float, str that is valid Unicode, list, tuple and dict by str, at
    most 64 levels deep (so a value that contains itself is refused too).
    """
    if isinstance(value, list | tuple | dict):
        return (path, "it is nested too deeply") if depth == 0 else _find_error_inside(value, path, depth)
    reason = _scalar_error(value)
    return None if reason is None else (path, reason)


def measure_json_depth(data: bytes) -> int:
    """Return how many levels of arrays and objects a JSON text has; without recursion, so it works on any text."""
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(_TEXT.sub(b"", data)):
        depth += -1 if bracket[1] else 1
        deepest = max(deepest, depth)
    return deepest


def explain_bad_json(error: Exception, data: bytes) -> str:
    """Return why a text is no JSON: the decoder's `error`, unless that only means that half of a surrogate pair ends too early."""
    try:
        json.dumps(json.loads(data), ensure_ascii=False).encode()
    except UnicodeEncodeError as fault:
        half = ord(str(fault.object)[fault.start])
        return f"a text in it has a lone surrogate (\\u{half:04x}), which is not a character"
    except (ValueError, RecursionError):
        pass
    return str(error)


def _find_error_inside(
    value: list[object] | tuple[object, ...] | dict[object, object], path: str, depth: int
) -> tuple[str, str] | None:
    """Return the first error of a container."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not _is_unicode(key):
                return path, f"the key {key!r} is not text"
    parts = (
        ((f".{key}", part) for key, part in value.items())
        if isinstance(value, dict)
        else ((f"[{n}]", part) for n, part in enumerate(value))
    )
    faults = (find_json_error(part, f"{path}{step}", depth - 1) for step, part in parts)
    return next((fault for fault in faults if fault is not None), None)


def _scalar_error(value: object) -> str | None:
    """Return why a value without parts is not JSON."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return None if _is_unicode(value) else "it contains a lone surrogate"
    if isinstance(value, int):
        return None if _SMALLEST_INT <= value <= _LARGEST_INT else "the number needs more than 64 bits"
    if isinstance(value, float):
        return None if isfinite(value) else f"{value} is not JSON"
    return f"{type(value).__name__} is not JSON"


def _is_unicode(text: str) -> bool:
    """Return whether the text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
