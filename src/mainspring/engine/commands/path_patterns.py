"""Patterns of paths as the standard library's glob has them, but `**` follows no symbolic link and looks at so many entries at most.

Where it stands at the end it does not match the folder in which it begins: that was there before.
"""

import glob
import os
from collections.abc import Iterator

MAX_ENTRIES = 1_000_000
_ANY_DEPTH = "**"


class PatternTooWideError(Exception):
    """Too much lies below where the pattern begins."""


def find_paths(pattern: str, cwd: str | None) -> list[str]:
    """Return what matches a pattern, relative to the folder unless the pattern is absolute, each path once.

    Raises:
        PatternTooWideError: the pattern looks at more entries than `MAX_ENTRIES`.
    """
    return list(dict.fromkeys(_PathSearch(pattern).find(pattern, cwd)))


class _PathSearch:
    """One look, with what it may still see: a `**` within another one counts too."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._left = MAX_ENTRIES

    def find(self, pattern: str, cwd: str | None) -> Iterator[str]:
        """Yield what matches, perhaps more than once."""
        head, tail = _split(pattern)
        if tail is None:
            yield from glob.iglob(pattern, root_dir=cwd)  # noqa: PTH207 - patterns may be absolute
            return
        for start in glob.glob(head, root_dir=cwd) if head else [""]:  # noqa: PTH207 - as above
            top = os.path.join(cwd or "", start) or "."  # noqa: PTH118 - an absolute start stays one
            for folder, names in _walk(top):
                self._count(1 + len(names))
                inner = os.path.relpath(folder, top)
                for name in self.find(tail, folder) if tail else names:
                    yield os.path.normpath(os.path.join(start, inner, name))  # noqa: PTH118 - as above

    def _count(self, entries: int) -> None:
        self._left -= entries
        if self._left < 0:
            raise PatternTooWideError(f"{self._pattern}: more than {MAX_ENTRIES:,} entries to look at; narrow it")


def _split(pattern: str) -> tuple[str, str | None]:
    """Return what stands before the first `**`, and what after the last one that follows it directly; None = there is none."""
    parts = pattern.split("/")
    if _ANY_DEPTH not in parts:
        return pattern, None
    at = parts.index(_ANY_DEPTH)
    head = "/".join(parts[:at])
    rest = parts[at:]
    while rest and rest[0] == _ANY_DEPTH:
        rest = rest[1:]
    tail = "/".join(rest) or ("*/" if rest else "")  # a slash at the end asks for folders
    return (head or "/") if at else "", tail


def _walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below and its entries; what is hidden is left out, as in glob."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield folder, [*folders, *(name for name in files if not name.startswith("."))]
