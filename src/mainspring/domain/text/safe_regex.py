"""Safe regular expressions (regex): those that finish soon on any text.

Python's engine backtracks, sometimes for years, and no other thread of the process runs meanwhile. So the paths of a search are bounded
before it is used: each repetition of one character or fixed group has as many as the text is long, and they multiply. A repetition of a
part that has several paths, such as `(a+)+`, or a back reference has no such bound.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from mainspring.domain.text.lazy_pattern import lazy_pattern

_MAX_STEPS = 100_000
"""A few milliseconds."""
_MAX_FACTOR = 10**9
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = lazy_pattern(r"\((?!\?)|\(\?(?::|P<\w+>|[=!>]|<[=!]|[aimsu]+:)")
_FLAGS = lazy_pattern(r"\(\?[aimsu]+\)")
_ESCAPE = re.compile(r"\\[^1-9]", re.DOTALL)
_REPEAT = lazy_pattern(r"(?:([*+?])|\{([0-9]*)(?:(,)([0-9]*))?\})[?+]?")
_ANCHORS = ("^", r"\A")


class _StepBound(NamedTuple):
    """A bound: at most `factor * (length of the text + 1) ** power` steps."""

    factor: int
    power: int

    def times(self, other: "_StepBound") -> "_StepBound":
        return _StepBound(min(self.factor * other.factor, _MAX_FACTOR), self.power + other.power)

    def plus(self, other: "_StepBound") -> "_StepBound":
        return _StepBound(min(self.factor + other.factor, _MAX_FACTOR), max(self.power, other.power))


_ONE_STEP = _StepBound(1, 0)


class _UnboundedError(Exception):
    """No bound is known."""


def is_safe_regex(pattern: str, length: int) -> bool:
    """Return whether `re.search(pattern, text)` takes no more than a few milliseconds on any text of this many characters."""
    bound = _bound_pattern(pattern)
    return bound is not None and bound.factor * (length + 1) ** bound.power <= _MAX_STEPS


@lru_cache(maxsize=1024)
def _bound_pattern(pattern: str) -> _StepBound | None:
    """Return the bound of a search, None if none is known."""
    try:
        re.compile(pattern)  # one of another dialect, as pydantic writes them, is left to the reader of the value
        bound, at, branches = _bound_choice(pattern, 0)
    except (_UnboundedError, re.error, OverflowError, RecursionError):
        return None
    if at < len(pattern):
        return None
    is_anchored = branches == 1 and pattern.startswith(_ANCHORS)
    return bound if is_anchored else bound.times(_StepBound(1, 1))  # it begins at each character


def _bound_choice(pattern: str, at: int) -> tuple[_StepBound, int, int]:
    """Return the bound of a pattern up to its end or a closing bracket, that place, and the number of its branches."""
    total, branches = _StepBound(0, 0), 1
    branch = _ONE_STEP
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            total, branch, at, branches = total.plus(branch), _ONE_STEP, at + 1, branches + 1
            continue
        atom, at = _bound_atom(pattern, at)
        repeat = _REPEAT.match(pattern, at)
        if repeat is not None and repeat[0] not in ("{}", "{,}"):
            atom, at = _bound_repetition(atom, repeat), repeat.end()
        branch = branch.times(atom)
    return total.plus(branch), at, branches


def _bound_atom(pattern: str, at: int) -> tuple[_StepBound, int]:
    """Return the bound of the part that a repetition would repeat, and its end."""
    sign = pattern[at]
    if sign == "(":
        flags = _FLAGS.match(pattern, at)
        if flags is not None:
            return _ONE_STEP, flags.end()
        group = _GROUP.match(pattern, at)
        if group is None:
            raise _UnboundedError
        inner, end, _ = _bound_choice(pattern, group.end())
        if end == len(pattern):
            raise _UnboundedError
        return inner, end + 1
    if sign not in "[\\":
        return _ONE_STEP, at + 1
    match = (_CLASS if sign == "[" else _ESCAPE).match(pattern, at)
    if match is None:
        raise _UnboundedError
    return _ONE_STEP, match.end()


def _bound_repetition(atom: _StepBound, repeat: re.Match[str]) -> _StepBound:
    sign, least, comma, most = repeat.groups()
    if sign == "?":
        return atom.plus(_ONE_STEP)
    if sign is None and (most or not comma):
        fewest, highest = int(least or 0), int(most or least)
        if atom == _ONE_STEP:
            return _StepBound(max(highest - fewest, 0) + 1, 0)
    if atom != _ONE_STEP:
        raise _UnboundedError
    return _StepBound(1, 1)
