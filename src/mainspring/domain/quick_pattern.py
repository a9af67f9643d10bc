"""Which regular expressions are done soon with a text, whatever is in it.

Python's go back over what they tried, some of them for years, and nothing else of the process runs meanwhile, in no thread. So the
ways that one could go are bounded before it is used: each repetition of one character or fixed group has as many as the text is long,
and they multiply. What repeats something that has ways of its own, as `(a+)+` does, or refers back, has no such bound.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_MOST_WAYS = 100_000
"""Some milliseconds."""
_LARGEST = 10**9
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?!\?)|\(\?(?::|P<\w+>|[=!>]|<[=!]|[aimsu]+:)")
_FLAGS = re.compile(r"\(\?[aimsu]+\)")
_ESCAPE = re.compile(r"\\[^1-9]", re.DOTALL)
_REPEAT = re.compile(r"(?:([*+?])|\{([0-9]*)(?:(,)([0-9]*))?\})[?+]?")
_ANCHORS = ("^", r"\A")


class _Ways(NamedTuple):
    """At most `factor * (length of the text + 1) ** power`."""

    factor: int
    power: int

    def times(self, other: "_Ways") -> "_Ways":
        return _Ways(min(self.factor * other.factor, _LARGEST), self.power + other.power)

    def plus(self, other: "_Ways") -> "_Ways":
        return _Ways(min(self.factor + other.factor, _LARGEST), max(self.power, other.power))


_ONE = _Ways(1, 0)


class _UnboundedError(Exception):
    """No bound is known."""


def is_quick(pattern: str, length: int) -> bool:
    """Tell whether `re.search(pattern, text)` takes no more than some milliseconds on any text of so many characters."""
    ways = _ways(pattern)
    return ways is not None and ways.factor * (length + 1) ** ways.power <= _MOST_WAYS


@lru_cache(maxsize=1024)
def _ways(pattern: str) -> _Ways | None:
    """Return the ways of a search, None where they have no bound that is known."""
    try:
        re.compile(pattern)  # one of another dialect, as pydantic writes them, is left to whoever reads the value
        ways, at, branches = _choice(pattern, 0)
    except (_UnboundedError, re.error, OverflowError, RecursionError):
        return None
    if at < len(pattern):
        return None
    is_anchored = branches == 1 and pattern.startswith(_ANCHORS)
    return ways if is_anchored else ways.times(_Ways(1, 1))  # it begins at each character


def _choice(pattern: str, at: int) -> tuple[_Ways, int, int]:
    """Return the ways of what stands up to the end or a closing bracket, where that is, and between how many branches it chooses."""
    total, branches = _Ways(0, 0), 1
    here = _ONE
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            total, here, at, branches = total.plus(here), _ONE, at + 1, branches + 1
            continue
        atom, at = _atom(pattern, at)
        repeat = _REPEAT.match(pattern, at)
        if repeat is not None and repeat[0] not in ("{}", "{,}"):
            atom, at = _repeated(atom, repeat), repeat.end()
        here = here.times(atom)
    return total.plus(here), at, branches


def _atom(pattern: str, at: int) -> tuple[_Ways, int]:
    """Return the ways of what a repetition would repeat, and where it ends."""
    sign = pattern[at]
    if sign == "(":
        flags = _FLAGS.match(pattern, at)
        if flags is not None:
            return _ONE, flags.end()
        group = _GROUP.match(pattern, at)
        if group is None:
            raise _UnboundedError
        inner, end, _ = _choice(pattern, group.end())
        if end == len(pattern):
            raise _UnboundedError
        return inner, end + 1
    if sign not in "[\\":
        return _ONE, at + 1
    found = (_CLASS if sign == "[" else _ESCAPE).match(pattern, at)
    if found is None:
        raise _UnboundedError
    return _ONE, found.end()


def _repeated(atom: _Ways, repeat: re.Match[str]) -> _Ways:
    sign, least, comma, most = repeat.groups()
    if sign == "?":
        return atom.plus(_ONE)
    if sign is None and (most or not comma):
        fewest, highest = int(least or 0), int(most or least)
        if atom == _ONE:
            return _Ways(max(highest - fewest, 0) + 1, 0)
    if atom != _ONE:
        raise _UnboundedError
    return _Ways(1, 1)
