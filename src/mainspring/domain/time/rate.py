"""Rates, as people write them: `60/m` is at most sixty starts in any minute, `5/30s` five in any thirty seconds.

Invariant: `parse_rate(str(rate)) == rate`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from mainspring.domain.duration import format_duration, parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern

_WRITTEN = lazy_pattern(r"\s*([0-9]{1,9})\s*/\s*([0-9A-Za-z.]{1,40})\s*", re.ASCII)
_WORDS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d"}
_MAX_QUOTED_LENGTH = 80
_HINT = "Write a count and a span: 10/s, 60/m, 1000/h, or 5/30s."


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any span of `per`. Raises OptionError unless both are above zero."""

    count: int
    per: timedelta

    def __post_init__(self) -> None:
        if self.count < 1 or self.per <= timedelta(0):
            raise OptionError(
                f"a rate lets at least one through, in a span above zero: {self.count} in {self.per}", hint=_HINT
            )

    def __str__(self) -> str:
        per = format_duration(self.per)
        return f"{self.count}/{per[1:] if per in ('1s', '1m', '1h', '1d', '1w') else per}"


def parse_rate(value: str | Rate) -> Rate:
    """Return the rate of `value`.

    Raises:
        OptionError: the value is no rate, or lets nothing through.
    """
    if isinstance(value, Rate):
        return value
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise OptionError(f"{repr(value)[:_MAX_QUOTED_LENGTH]} is not a rate", hint=_HINT)
    per = _WORDS.get(match[2].lower(), match[2])
    try:
        span = parse_duration(f"1{per}" if per.isalpha() else per)
    except OptionError as error:
        raise OptionError(f"{value[:_MAX_QUOTED_LENGTH]!r} is not a rate: {error.message}", hint=_HINT) from None
    return Rate(int(match[1]), span)
