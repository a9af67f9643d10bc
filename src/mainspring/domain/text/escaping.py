r"""Bad text made printable without loss, so that no message, log line or output can harm a reader or a store.

The scheme, shared by all code that shows or saves foreign text:

* C0 and C1 controls and DEL (all but newline and tab; carriage return included) become ``\xHH``,
  lone surrogates and bidirectional overrides become ``\uHHHH``, hexadecimal in lower case;
* backslashes directly before such an escape, or before text that looks like one, are doubled;
  every other backslash stays as it is (``C:\users`` is unchanged).

Invariants: the result is encodable as UTF-8 and has no control character but newline and tab;
``unescape(escape(text)) == text`` for every str; clean text is returned as the same object. Escaping
is not idempotent: text that is escaped twice has double escapes, so escape it once, where it enters.
Nothing here raises on any str or bytes.
"""

import re
from functools import lru_cache

from mainspring.domain.text.lazy_pattern import lazy_pattern

_BODY = r"(?:x(?:0[0-8b-f]|1[0-9a-f]|7f|[89][0-9a-f])|u(?:d[89a-f][0-9a-f]{2}|202[a-e]|206[6-9]))"
_BAD = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
# A run of backslashes is matched whole and once: possessive, and only from its start.
_RAW = lazy_pattern(rf"(?<!\\)(\\++)(?:({_BAD})|(?={_BODY}))|({_BAD})")
_DIRTY = lazy_pattern(rf"{_BAD}|\\{_BODY}")
_ESCAPED = lazy_pattern(rf"(?<!\\)(\\++)({_BODY})")
_LONGEST_BODY = 5
MAX_NAME_LENGTH = 500
"""Characters of a name that is chosen freely."""
_NOT_IN_A_LINE = lazy_pattern(rf"{_BAD}|[\n\t\u2028\u2029]")


def escape(text: str, limit: int | None = None) -> str:
    """Return `text` printable and without loss; with `limit`, at most that many characters.

    A cut text ends in `…[+N characters]`, N counting characters of the original, where the limit leaves
    room for that mark. The cut never falls inside an escape. Only uncut text can be unescaped.
    """
    if limit is None:
        return text if _is_clean(text) else _RAW.sub(_escape_match, text)
    limit = max(limit, 0)
    head = text if len(text) <= limit else text[:limit]
    escaped = head if _is_clean(head) else _RAW.sub(_escape_match, head)
    if head is text and len(escaped) <= limit:
        return escaped
    space = limit - len(_cut_mark(len(text)))
    if space <= 0:
        return escaped[: _whole_escapes(escaped, limit)]
    prefix = escaped[: _whole_escapes(escaped, space)]
    return prefix + _cut_mark(len(text) - len(unescape(prefix)))


def is_plain_line(text: str) -> bool:
    """Return whether text can be shown unchanged, as a part of one line: it has no control character, line end or override."""
    return text.isprintable() or _NOT_IN_A_LINE.search(text) is None


def is_valid_name(text: str) -> bool:
    """Return whether text is valid as a freely chosen name (a lock's, a key's): 1 to 500 characters of one plain line, not all blank."""
    return bool(text.strip()) and len(text) <= MAX_NAME_LENGTH and is_plain_line(text)


def unescape(text: str) -> str:
    """Return the text that was passed to `escape`. Text without an escape is returned unchanged."""
    return _ESCAPED.sub(_unescape_match, text) if "\\" in text else text


def decode_bytes(data: bytes) -> str:
    """Return the output of a program as printable text: valid UTF-8 stays, other bytes become escapes."""
    return escape(data.decode("utf-8", "surrogateescape"))


def _is_clean(text: str) -> bool:
    # isprintable is several times faster than the expression and true for most text.
    return (text.isprintable() and "\\" not in text) or _DIRTY.search(text) is None


def _escape_match(match: re.Match[str]) -> str:
    slashes, bad, lone_bad = match.groups("")
    return slashes * 2 + _escape_of(bad or lone_bad)


@lru_cache(maxsize=4096)
def _escape_of(bad: str) -> str:
    code = ord(bad) if bad else 0
    return bad and (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _unescape_match(match: re.Match[str]) -> str:
    slashes, body = match.groups()
    literal, is_escape = divmod(len(slashes), 2)
    return "\\" * literal + (chr(int(body[1:], 16)) if is_escape else body)


def _cut_mark(count: int) -> str:
    return f"…[+{count} characters]"


def _whole_escapes(text: str, end: int) -> int:
    """Return the last place at or before `end` that is not inside an escape."""
    if end >= len(text):
        return len(text)
    start = text.rfind("\\", max(0, end - _LONGEST_BODY), end)
    if start < 0:
        return end
    while start > 0 and text[start - 1] == "\\":
        start -= 1
    match = _ESCAPED.match(text, start)
    return start if match is not None and match.end() > end else end
