"""Patterns of paths as in the standard library's glob, but `**` follows no symbolic link and reads at most `MAX_ENTRIES` entries.

At the end of a pattern `**` does not match its first folder, which existed before.
"""

import glob
import os
from collections.abc import Iterator

MAX_ENTRIES = 1_000_000
_ANY_DEPTH = "**"


class PatternTooWideError(Exception):
    """Error: the pattern covers too many entries."""


def find_paths(pattern: str, cwd: str | None) -> list[str]:
    """Return the paths that match a pattern, relative to the folder unless the pattern is absolute, each once.

    Raises:
        PatternTooWideError: the pattern covers more than `MAX_ENTRIES` entries.
    """
    return list(dict.fromkeys(_PathSearch(pattern).find(pattern, cwd)))


class _PathSearch:
    """One search with its remaining entries: a `**` within another one counts too."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._left = MAX_ENTRIES

    def find(self, pattern: str, cwd: str | None) -> Iterator[str]:
        """Yield the matching paths, perhaps more than once."""
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
            raise PatternTooWideError(
                f"{self._pattern}: matches more than {MAX_ENTRIES:,} entries; use a narrower pattern"
            )


def _split(pattern: str) -> tuple[str, str | None]:
    """Return the part before the first `**`, and the part after it and the `**` that follow directly; None = there is none."""
    parts = pattern.split("/")
    if _ANY_DEPTH not in parts:
        return pattern, None
    at = parts.index(_ANY_DEPTH)
    head = "/".join(parts[:at])
    rest = parts[at:]
    while rest and rest[0] == _ANY_DEPTH:
        rest = rest[1:]
    tail = "/".join(rest) or ("*/" if rest else "")  # a slash at the end matches folders only
    return (head or "/") if at else "", tail


def _walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below and its entries, without hidden ones, as in glob."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield folder, [*folders, *(name for name in files if not name.startswith("."))]
