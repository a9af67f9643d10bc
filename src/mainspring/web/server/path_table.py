"""Which row of a table a path means, as it came over the wire: a name in it may hold an escaped slash; a word goes before a name."""

from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes


class PathTable:
    """The paths of a table. `base` stands before each of them."""

    def __init__(self, paths: Iterable[str], base: str = "") -> None:
        parts = {path: f"{base}{path}".split("/") for path in paths}
        self._parts = [(path, parts[path]) for path in sorted(parts, key=lambda path: path.count("{"))]

    def find(self, raw_path: bytes) -> tuple[str, dict[str, str]] | None:
        """Return the path of the table and the names in it; None = it is none of them."""
        given = raw_path.split(b"/")
        for path, wanted in self._parts:
            names = _match_names(wanted, given)
            if names is not None:
                return path, names
        return None


def path_segment(name: str) -> str:
    """Return a name as one part of a path."""
    return quote(name, safe="")


def _match_names(wanted: list[str], given: list[bytes]) -> dict[str, str] | None:
    """Return the names that a path gives to a row's; None if it is not that row's."""
    if len(wanted) != len(given):
        return None
    found: dict[str, str] = {}
    for word, raw in zip(wanted, given, strict=True):
        if not word.startswith("{"):
            if word.encode() != raw:
                return None
            continue
        name = _decode_segment(raw)
        if name is None:
            return None
        found[word[1:-1]] = name
    return found


def _decode_segment(raw: bytes) -> str | None:
    """Return a name of a path, None if nothing can be called so."""
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    return text if text and "\x00" not in text else None
