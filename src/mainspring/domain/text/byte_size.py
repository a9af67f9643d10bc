"""Sizes in bytes, as people write them: `256kB`, `64MiB`, `1.5GB`, `512`.

`kB MB GB TB` count in thousands, `KiB MiB GiB TiB` in 1024s; capital letters do not matter. Invariant: for every size from zero
up, `parse_size(format_size(size)) == size`.
"""

import re
from decimal import Decimal

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern

UNITS = {
    "B": 1,
    "kB": 1000,
    "KiB": 1024,
    "MB": 1000**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "GiB": 1024**3,
    "TB": 1000**4,
    "TiB": 1024**4,
}
_FACTORS = {unit.lower(): factor for unit, factor in UNITS.items()}
_WRITTEN = lazy_pattern(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]{0,3})\s*", re.ASCII)
_MAX_QUOTED_LENGTH = 80
_HINT = f"Write a number of bytes, or a number and one of {', '.join(UNITS)}, such as 256kB."


def parse_size(value: str | int) -> int:
    """Return the bytes of `value`; a bare number counts bytes.

    Raises:
        OptionError: the value is no size, is negative, or is not a whole number of bytes.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(value, "is not a size")
    if value < 0:
        raise _refused(value, "is negative")
    return value


def format_size(size: int) -> str:
    """Return the shortest exact text of `size` bytes: 262144 is `256KiB`, 256000 is `256kB`."""
    if not size:
        return "0B"
    exact = [f"{size // factor}{unit}" for unit, factor in reversed(UNITS.items()) if size % factor == 0]
    return min(exact, key=len)


def _from_text(text: str) -> int:
    match = _WRITTEN.fullmatch(text)
    factor = _FACTORS.get(match[2].lower() or "b") if match else None
    if match is None or factor is None:
        raise _refused(text, "is not a size")
    size = Decimal(match[1]) * factor
    if size != int(size):
        raise _refused(text, "is not a whole number of bytes")
    return int(size)


def _refused(value: object, problem: str) -> OptionError:
    return OptionError(f"{repr(value)[:_MAX_QUOTED_LENGTH]} {problem}", hint=_HINT)
