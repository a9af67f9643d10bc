"""Text width: how many cells of a terminal a text takes, and texts cut and padded to a number of cells."""

import unicodedata
from functools import lru_cache
from typing import Final

ELLIPSIS: Final = "…"


def measure_width(text: str) -> int:
    """Return the cells that a line takes: two for wide characters (CJK, most emoji), none for combining ones."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut_to_width(text: str, cells: int) -> str:
    """Return a text of at most `cells` cells; a cut one ends with an ellipsis."""
    if measure_width(text) <= cells:
        return text
    characters, width = [], 0
    for character in text:
        width += _cells(character)
        if width > cells - 1:
            break
        characters.append(character)
    return "".join(characters) + ELLIPSIS if cells > 0 else ""


def wrap_to_width(text: str, cells: int) -> list[str]:
    """Return a text in parts of at most `cells` cells; at least one part."""
    parts, width = [""], 0
    for character in text:
        width += _cells(character)
        if width > cells and parts[-1]:
            parts.append("")
            width = _cells(character)
        parts[-1] += character
    return parts


def keep_end(text: str, cells: int) -> str:
    """Return the end of a text of at most `cells` cells: of a path the name matters most."""
    return text if measure_width(text) <= cells else cut_to_width(text[::-1], cells)[::-1]


def pad_to_width(text: str, cells: int, *, right: bool = False) -> str:
    """Return a text padded with spaces to `cells` cells; `right` = spaces first."""
    spaces = " " * (cells - measure_width(text))
    return spaces + text if right else text + spaces


@lru_cache(4_096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
