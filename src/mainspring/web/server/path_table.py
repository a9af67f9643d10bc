"""A table of paths, matched as they are sent: a name in a path may contain an escaped slash; a literal word is matched before a name."""

from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes


class PathTable:
    """The paths of a table, each with the prefix `base`."""

    def __init__(self, paths: Iterable[str], base: str = "") -> None:
        parts = {path: f"{base}{path}".split("/") for path in paths}
        self._parts = [(path, parts[path]) for path in sorted(parts, key=lambda path: path.count("{"))]

    def find(self, raw_path: bytes) -> tuple[str, dict[str, str]] | None:
        """Return the matching path of the table and the names in it; None = no path matches."""
        segments = raw_path.split(b"/")
        for path, pattern in self._parts:
            names = _match_names(pattern, segments)
            if names is not None:
                return path, names
        return None


def path_segment(name: str) -> str:
    """Return a name as one part of a path."""
    return quote(name, safe="")


def _match_names(pattern: list[str], segments: list[bytes]) -> dict[str, str] | None:
    """Return the names in a path; None if it does not match the pattern."""
    if len(pattern) != len(segments):
        return None
    names: dict[str, str] = {}
    for word, raw in zip(pattern, segments, strict=True):
        if not word.startswith("{"):
            if word.encode() != raw:
                return None
            continue
        name = _decode_segment(raw)
        if name is None:
            return None
        names[word[1:-1]] = name
    return names


def _decode_segment(raw: bytes) -> str | None:
    """Return a decoded part of a path; None if it is no valid name."""
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    return text if text and "\x00" not in text else None
