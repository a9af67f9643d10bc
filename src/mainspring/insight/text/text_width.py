"""Text width: how many cells of a terminal a text takes, and texts cut and padded to a number of cells."""

import unicodedata
from functools import lru_cache
from typing import Final

ELLIPSIS: Final = "…"


def measure_width(text: str) -> int:
    """Return the cells that a line takes: two for wide characters (CJK, most emoji), none for what combines with the one before."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut_to_width(text: str, cells: int) -> str:
    """Return a text that takes at most so many cells; one that was cut ends with an ellipsis."""
    if measure_width(text) <= cells:
        return text
    kept, taken = [], 0
    for character in text:
        taken += _cells(character)
        if taken > cells - 1:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS if cells > 0 else ""


def keep_end(text: str, cells: int) -> str:
    """Return the end of a text that takes at most so many cells: of a path it is the name that tells."""
    return text if measure_width(text) <= cells else cut_to_width(text[::-1], cells)[::-1]


def pad_to_width(text: str, cells: int, *, right: bool = False) -> str:
    """Return a text filled up with spaces to so many cells; `right` = they stand before it."""
    spaces = " " * (cells - measure_width(text))
    return spaces + text if right else text + spaces


@lru_cache(4_096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
