"""Spans of time as people write them: "30s", "20m", "1h30m", "250ms".

One grammar for options, TOML and the command line. Invariant: for every span from zero up,
`parse_duration(format_duration(span)) == span`, to the microsecond.
"""

import math
import re
from datetime import timedelta
from decimal import Decimal

from mainspring.domain.errors import OptionError

SpanInput = str | int | float | timedelta
"""A span as people write it; see `parse_duration`."""
MILLISECOND = timedelta(milliseconds=1)
_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_SECOND_MS = 1_000
_PAIRS = (
    (60_000, 1_000, 3_600_000, "ms"),
    (3_600_000, 60_000, 86_400_000, "hm"),
    (86_400_000, 3_600_000, math.inf, "dh"),
)
"""A unit and the one below it in ms, the span from which they are too small, and their letters."""
_RANK = {unit: rank for rank, unit in enumerate(_MICROSECONDS)}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|[wdhms])\s*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_LONGEST_TEXT = 64
_MAX_QUOTED_LENGTH = 80
_HINT = "Write a number with a unit: 250ms, 30s, 20m, 24h, 3d, 2w, or parts from large to small such as 1h30m."


def parse_duration(value: SpanInput) -> timedelta:
    """Return the span of `value`; bare numbers are seconds.

    Text is one or more parts from the largest unit to the smallest, each unit at most once:
    `w d h m s ms us` (`m` is minutes). A span is never negative, and is rounded to the microsecond.

    Raises:
        OptionError: the value is no span, is negative, or is longer than a timedelta can hold.
    """
    if isinstance(value, timedelta):
        return _not_negative(value, value)
    if isinstance(value, str):
        return _from_text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise _duration_error(value, "is not a span of time")
    try:
        return _not_negative(timedelta(seconds=value), value)
    except OverflowError:
        raise _duration_error(value, "is too long") from None


def read_milliseconds(option: str, value: SpanInput, least: int = 0) -> int:
    """Return the whole milliseconds of an option's span.

    Raises:
        OptionError: it is no span, has less than a millisecond in it, or is shorter than `least` milliseconds.
    """
    span = parse_duration(value)
    if span % MILLISECOND:
        raise OptionError(f"{option}={value!r} is finer than a millisecond", hint="Use whole milliseconds.")
    milliseconds = span // MILLISECOND
    if milliseconds < least:
        shortest = format_duration(least * MILLISECOND)
        raise OptionError(f"{option}={value!r} is too short", hint=f'Write {option}="{shortest}" or more.')
    return milliseconds


def to_milliseconds(span: timedelta) -> int:
    """Return a span in milliseconds, rounded."""
    return round(span / MILLISECOND)


def format_duration(span: timedelta) -> str:
    """Return the exact text of `span` with its zero parts left out: "1h30m", "1.5s", "250ms", "0s".

    Weeks are used only for a whole number of weeks, so that thirty days read "30d".
    """
    if span < timedelta(0):
        return "-" + format_duration(-span)
    microseconds = _microseconds(span)
    if microseconds and microseconds % _MICROSECONDS["w"] == 0:
        return f"{microseconds // _MICROSECONDS['w']}w"
    parts = []
    for unit in ("d", "h", "m"):
        count, microseconds = divmod(microseconds, _MICROSECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    parts.append(_seconds_text(microseconds, is_only_part=not parts))
    return "".join(parts)


def format_rounded_duration(ms: int) -> str:
    """Return a span in its two largest units, rounded to the second of them: "850ms", "4.2s", "41s", "4m10s", "2h", "3d2h"."""
    if ms < 0:
        return "-" + format_rounded_duration(-ms)
    if ms < _SECOND_MS:
        return f"{ms}ms"
    tenths = (ms + 50) // 100
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10}s" if tenths % 10 else f"{tenths // 10}s"
    seconds = (ms + _SECOND_MS // 2) // _SECOND_MS
    if seconds < 60:
        return f"{seconds}s"
    return next(text for text in (_pair_text(ms, *pair) for pair in _PAIRS) if text is not None)


def _pair_text(ms: int, large: int, small: int, limit: float, names: str) -> str | None:
    """Return a span in two neighbouring units; None = it is rounded up beyond them."""
    rounded = (ms + small // 2) // small * small
    whole, rest = divmod(rounded, large)
    if rounded >= limit:
        return None
    return f"{whole}{names[0]}{rest // small}{names[1]}" if rest else f"{whole}{names[0]}"


def _seconds_text(microseconds: int, *, is_only_part: bool) -> str:
    """Return the part below a minute, "" if it is zero and not the only part."""
    seconds, micro = divmod(microseconds, 1_000_000)
    if not micro:
        return f"{seconds}s" if seconds or is_only_part else ""
    if not seconds and micro % 1_000 == 0:
        return f"{micro // 1_000}ms"
    if not seconds:
        return f"{micro}us"
    return f"{seconds}.{micro:06d}".rstrip("0") + "s"


def _from_text(text: str) -> timedelta:
    """Read the grammar of this module's docstring."""
    body = text.strip()
    if len(body) > _LONGEST_TEXT or not body:
        raise _duration_error(text, "is not a span of time")
    if _NUMBER.fullmatch(body):
        return _make_span(Decimal(body) * _MICROSECONDS["s"], text)
    total, at, rank = Decimal(0), 0, -1
    while at < len(body):
        part = _PART.match(body, at)
        if part is None or _RANK[part[2]] <= rank:
            raise _duration_error(text, "is not a span of time")
        rank, at = _RANK[part[2]], part.end()
        total += Decimal(part[1]) * _MICROSECONDS[part[2]]
    return _make_span(total, text)


def _make_span(microseconds: Decimal, text: str) -> timedelta:
    """Return the span, or raise that it is too long."""
    try:
        return timedelta(microseconds=round(microseconds))
    except (OverflowError, ArithmeticError):
        raise _duration_error(text, "is too long") from None


def _microseconds(span: timedelta) -> int:
    """Return the span in whole microseconds, exactly (a float of seconds would round)."""
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _not_negative(span: timedelta, value: object) -> timedelta:
    """Return the span unchanged if it is not negative."""
    if span < timedelta(0):
        raise _duration_error(value, "is negative")
    return span


def _duration_error(value: object, problem: str) -> OptionError:
    """Return the error that names the value as it was written."""
    text = repr(value)
    return OptionError(f"{text[:_MAX_QUOTED_LENGTH]} {problem}", hint=_HINT)
