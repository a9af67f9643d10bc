"""The redactor, which all text passes that may hold secrets: it hides known values in every form, and likely secrets.

Role: lines of log, failures, messages to people go through a `Redactor` before they are stored or shown. Invariants: time is linear in
the text (values are found by plain search, likely secrets by expressions whose parts are bounded or cannot be split in two ways); a text
without secrets is returned as the same object; nothing here raises on any str. Values shorter than `MIN_SECRET_LENGTH` are not hidden:
they would be found everywhere.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from mainspring.domain.failures.failure import Failure
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME, hide_likely_secrets
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern

MASK = "***"
MIN_SECRET_LENGTH = 6
"""Characters of the shortest value that is hidden."""
_MOST_LINES = 100
_MOST_KEY_LINES = 200
_LONGEST_OVERLAP = 4096
"""Characters that may wait for the next piece of a text. Each part of this size of a longer value is hidden by itself."""
_PREFIX = 32
"""Characters that are compared before a whole tail is: almost no tail passes."""
_MIN_CERTAIN_OVERLAP = 4
"""This many characters at the end of a text count as the start of a secret, if nothing follows that could decide it."""
_BREAK = lazy_pattern(r"[\r\n]+[ \t]*")
_CUT = lazy_pattern(r"…\[\+\d+ characters\]\Z")
_DEEPEST = 50
_IN_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As in the standard library's `html`, which would take longer to load than all of this."""
_ALIGNMENTS = ((0, 0), (1, 2), (2, 3))
"""Bytes before a value in a group of three, and how many characters of base64 they reach into."""


class Redactor:
    """Hides these values, and likely secrets. Immutable."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = frozenset(values)
        forms = {form for value in self.values for part in _list_parts(value) for form in list_encodings(part)}
        forms |= {piece for form in forms if len(form) > _LONGEST_OVERLAP for piece in _cut_evenly(form)}
        # The longest first, so that one is not split by another that it contains.
        self._needles = sorted(
            (form for form in forms if len(form) >= MIN_SECRET_LENGTH), key=lambda form: (-len(form), form)
        )
        self._lengths = [-len(needle) for needle in self._needles]
        self._in_order = sorted(self._needles)
        seconds: dict[str, set[str]] = {}
        for needle in self._needles:
            seconds.setdefault(needle[0], set()).add(re.escape(needle[1]))
        starts = [rf"{re.escape(first)}(?=[{''.join(sorted(after))}]|\Z)" for first, after in sorted(seconds.items())]
        self._first = re.compile("|".join(starts)) if starts else None

    def redact(self, text: str) -> str:
        """Return the text with each secret replaced by `MASK`."""
        if self._needles:
            text = self._hide_values(text)
            cut = _CUT.search(text) if text.endswith("]") else None
            if cut is not None and (over := self.overlap(text[: cut.start()])) >= _MIN_CERTAIN_OVERLAP:
                text = text[: cut.start() - over] + MASK + cut[0]
        return hide_likely_secrets(text)

    def redact_data(self, data: Any, depth: int = 0) -> Any:
        """Return JSON data with the secrets in its texts hidden, and whole values under a name such as `password`."""
        if isinstance(data, str):
            return self.redact(data)
        if depth > _DEEPEST:
            return MASK
        if isinstance(data, dict):
            return {
                self._hide_values(str(name)): MASK
                if isinstance(value, str | list | tuple | dict) and SECRET_FIELD_NAME.search(str(name))
                else self.redact_data(value, depth + 1)
                for name, value in data.items()
            }
        return [self.redact_data(item, depth + 1) for item in data] if isinstance(data, list | tuple) else data

    def hide_known(self, data: Any) -> Any:
        """Return JSON data with these values hidden in its texts and names, and nothing else: its form stays."""
        if not self._needles:
            return data
        if isinstance(data, str):
            return self._hide_values(data) if len(data) >= MIN_SECRET_LENGTH else data
        if isinstance(data, dict):
            return {self.hide_known(name): self.hide_known(value) for name, value in data.items()}
        return [self.hide_known(item) for item in data] if isinstance(data, list | tuple) else data

    def redact_failure(self, failure: Failure) -> Failure:
        """Return a failure without secrets in its words; one that is sealed is returned as it is."""
        if failure.sealed is not None:
            return failure
        return replace(
            failure,
            message=self.redact(failure.message),
            hint=None if failure.hint is None else self.redact(failure.hint),
            data=self.redact_data(failure.data),
            cause=None if failure.cause is None else self.redact_failure(failure.cause),
        )

    def has_no_value(self, text: str) -> bool:
        """Return whether no value is in a text, and none may begin at its end."""
        flat = _BREAK.sub("", text) if "\n" in text or "\r" in text else text
        return not self.overlap(flat) and not any(needle in flat for needle in self._candidates(flat))

    def overlap(self, text: str) -> int:
        """Return how many characters at the end of `text` could be the start of a value; line ends within are counted."""
        if self._first is None:
            return 0
        tail = text[-min(len(self._needles[0]) - 1, _LONGEST_OVERLAP) :]
        for match in self._first.finditer(tail):  # the first one is the longest
            start = match.start()
            if self._is_start(tail[start : start + _PREFIX]) and self._is_start(tail[start:]):
                return len(tail) - start
        return 0

    def _is_start(self, text: str) -> bool:
        """Return whether a longer value begins with this text. The time grows with the logarithm of the number of values."""
        at = bisect_left(self._in_order, text)
        if at < len(self._in_order) and self._in_order[at] == text:
            at += 1
        return at < len(self._in_order) and self._in_order[at].startswith(text)

    def _candidates(self, text: str) -> Sequence[str]:
        """Return the values that are not longer than a text, the longest first."""
        return self._needles[bisect_left(self._lengths, -len(text)) :]

    def _hide_values(self, text: str) -> str:
        if "\n" in text or "\r" in text:
            return self._hide_over_lines(text)
        for needle in self._candidates(text):
            if needle in text:
                text = text.replace(needle, MASK)
        return text

    def _hide_over_lines(self, text: str) -> str:
        """Hide values that line ends may divide: found in the text without its line ends, then located in the whole one."""
        breaks = [match.span() for match in _BREAK.finditer(text)]
        flat = _BREAK.sub("", text)
        needles = [needle for needle in self._candidates(flat) if needle in flat]
        spans = sorted(span for needle in needles for span in _find_all(flat, needle))
        if not spans:
            return text
        redacted: list[str] = []
        end = removed = index = 0

        def to_whole(position: int) -> int:
            """Return the position in the whole text of one in the flat text; removed line ends before it are counted once, in order."""
            nonlocal removed, index
            while index < len(breaks) and breaks[index][0] - removed <= position:
                removed += breaks[index][1] - breaks[index][0]
                index += 1
            return position + removed

        for start, stop in _merge_spans(spans):
            first = to_whole(start)
            redacted += (text[end:first], MASK)
            end = to_whole(stop - 1) + 1
        return "".join((*redacted, text[end:]))


class LineRedactor:
    """Redacts the lines of one stream. A possible start of a value is held back until the next line comes."""

    def __init__(self) -> None:
        self._held = ""
        self._key_lines = 0
        """How many lines an open private key may still have; only its last line marks its end."""

    def feed(self, redactor: Redactor, line: str) -> list[str]:
        """Add the next line; return those that can be shown now. Lines that a value spans become one."""
        text = f"{self._held}\n{line}" if self._held else line
        self._held = ""
        hidden = redactor.redact(text)
        over = redactor.overlap(_BREAK.sub("", hidden))
        if over:
            start = _find_tail_start(hidden, over)
            hidden, self._held = hidden[: max(start, 0)], hidden[start + 1 :]
            if start < 0:
                return []
        return self._without_key(hidden.split("\n"))

    @property
    def is_holding(self) -> bool:
        """Whether text is held back."""
        return bool(self._held)

    def settle(self, redactor: Redactor) -> list[str]:
        """Return the held text if it is hardly a secret: the next line has not come for long enough."""
        return [] if redactor.overlap(_BREAK.sub("", self._held)) >= _MIN_CERTAIN_OVERLAP else self.end(redactor)

    def end(self, redactor: Redactor) -> list[str]:
        """Return the held text; nothing follows, so a part that may be most of a value is hidden."""
        held, self._held = self._held, ""
        if not held:
            return []
        over = redactor.overlap(held)
        if over >= _MIN_CERTAIN_OVERLAP:
            held = held[: len(held) - over] + MASK
        return self._without_key(held.split("\n"))

    def _without_key(self, lines: list[str]) -> list[str]:
        """Leave out the lines of a private key that was printed line by line; its first one was redacted to the end."""
        visible_lines = []
        for line in lines:
            if self._key_lines:
                self._key_lines = 0 if "-----END" in line else self._key_lines - 1
                continue
            visible_lines.append(line)
            if line.endswith(f"PRIVATE KEY-----{MASK}"):
                self._key_lines = _MOST_KEY_LINES
        return visible_lines


class TextRedactor:
    """Redacts a text that is shown in pieces, wherever they end. The possible start of a value waits for the next piece.

    At the end of a line only a long one waits: a person who watches a terminal sees each line when it comes. `hide` = what of a text is
    hidden.
    """

    def __init__(self, hide: Callable[[Redactor, str], str] = Redactor.redact) -> None:
        self._hide = hide
        self._open = ""
        """The redacted text that the next piece may continue: from the start of the line in which a value may have begun."""
        self._returned = 0
        """How many characters of it were returned."""
        self._overlap = 0

    def feed(self, redactor: Redactor, piece: str) -> str:
        """Add the next piece; return the text that can be shown now."""
        before = self._open[: self._returned]
        hidden = self._hide(redactor, self._open + piece)
        same = len(before)
        while not hidden.startswith(before[:same]):  # a value began in what was shown
            same -= 1
        self._overlap = redactor.overlap(_BREAK.sub("", hidden))
        tail_start = _locate_tail(hidden, self._overlap)
        is_complete = hidden.endswith(("\n", "\r")) and self._overlap < _MIN_CERTAIN_OVERLAP
        end = max(len(hidden) if is_complete else tail_start, same)
        line_start = max(hidden.rfind("\n", 0, tail_start), hidden.rfind("\r", 0, tail_start)) + 1
        start = max(line_start, min(tail_start, len(hidden) - _LONGEST_OVERLAP))
        self._open, self._returned = hidden[start:], end - start
        return hidden[same:end]

    @property
    def is_open(self) -> bool:
        """Whether the next piece may continue a value."""
        return bool(self._open)

    def end(self) -> str:
        """Return the text that waits; nothing follows, so a part that may be most of a value is hidden."""
        held, self._open, self._returned = self._open[self._returned :], "", 0
        if not held or self._overlap < _MIN_CERTAIN_OVERLAP:
            return held
        return MASK + held[len(held.rstrip("\r\n")) :]


def list_encodings(value: str) -> set[str]:
    """Return the forms in which programs write a value: unchanged, and encoded for URLs, JSON, Python, HTML, base64 and hex."""
    from urllib.parse import quote, quote_plus

    raw = value.encode("utf-8", "surrogatepass")
    percent, plus = quote(raw, safe=""), quote_plus(raw)
    json_text = json.dumps(value)[1:-1]
    forms = {
        value,
        escape(value),
        percent,
        plus,
        quote(raw),
        quote(raw, safe="!~*'()"),  # encodeURIComponent of browsers
        quote(raw, safe="!#$%&'()*+,/:;=?@[]~"),  # an address that an HTTP client quotes once more
        quote(percent, safe=""),
        _lower_escapes(percent),
        _lower_escapes(plus),
    }
    forms |= {
        json_text,
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json_text)[1:-1],
        json_text.replace("/", r"\/"),
    }
    forms |= {value.translate(_IN_HTML), raw.hex(), raw.hex().upper()}
    forms |= {repr(value)[1:-1], repr(repr(value))[2:-2], ascii(value)[1:-1], repr(raw)[2:-1]}
    for before, reached in _ALIGNMENTS:
        whole = (before + len(raw)) * 8 // 6  # the last character that the value alone decides
        for encode in (b64encode, urlsafe_b64encode):
            forms.add(encode(b"\0" * before + raw).decode()[reached:whole])
    return {_BREAK.sub("", form) for form in forms}


def _list_parts(value: str) -> Iterator[str]:
    """Return a value, and the lines of one that has several: a rotated secret has one a line, a program prints them one by one."""
    for whole in {value, value.strip()}:
        if len(whole) >= MIN_SECRET_LENGTH:
            yield whole
    lines = value.splitlines()
    for line in lines[:_MOST_LINES] if len(lines) > 1 else ():
        if len(line.strip()) >= MIN_SECRET_LENGTH and not line.startswith("-----"):
            yield line.strip()


def _cut_evenly(form: str) -> list[str]:
    """Return the parts of a long form, none much shorter than another: a short one would be found in other texts."""
    size = -(-len(form) // -(-len(form) // _LONGEST_OVERLAP))
    return [form[start : start + size] for start in range(0, len(form), size)]


def _lower_escapes(percent: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), percent)


def _find_all(text: str, needle: str) -> Iterator[tuple[int, int]]:
    at = text.find(needle)
    while at >= 0:
        yield at, at + len(needle)
        at = text.find(needle, at + len(needle))


def _merge_spans(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Return sorted spans, those that overlap as one."""
    start, stop = spans[0]
    for first, last in spans[1:]:
        if first < stop:
            stop = max(stop, last)
        else:
            yield start, stop
            start, stop = first, last
    yield start, stop


def _locate_tail(text: str, count: int) -> int:
    """Return where the last `count` characters of a text begin, line ends not counted."""
    end = len(text)
    for match in reversed(list(_BREAK.finditer(text)) if count else []):
        if count <= end - match.end():
            break
        count -= end - match.end()
        end = match.start()
    return end - count


def _find_tail_start(text: str, count: int) -> int:
    """Return the line end before the line in which the last `count` characters begin, line ends not counted; -1 = the first line."""
    lines = text.split("\n")
    while len(lines) > 1 and count > len(lines[-1].lstrip(" \t\r")):
        count -= len(lines.pop().lstrip(" \t\r"))
    return len("\n".join(lines[:-1])) if len(lines) > 1 else -1
