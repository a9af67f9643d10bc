"""Expected files of a command: files that exist, are not empty and are newer than its start.

Pure: the caller reads the file system and passes the matches of each pattern.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

_TIMESTAMP_TOLERANCE_MS = 2_000
"""File systems round the time of a change down, FAT to two seconds: a file may look older than the start by this much."""


class FoundFile(msgspec.Struct, frozen=True):
    """One match of a pattern; `size` is bytes of a file or entries of a folder, `changed_at` in ms UTC.

    `weight` is bytes of the file, or of the files that lie in the folder itself.
    """

    path: str
    size: int
    changed_at: int
    weight: int = 0


def find_missing_files(
    patterns: Sequence[str], matches: Mapping[str, Iterable[FoundFile]], started_at: int
) -> list[str]:
    """Return one sentence for each pattern that no good file matches; empty = all files were made."""
    return [
        sentence
        for pattern in patterns
        if (sentence := _explain_mismatch(pattern, list(matches.get(pattern, ())), started_at)) is not None
    ]


def count_new_bytes(matches: Iterable[FoundFile], started_at: int) -> int:
    """Return the bytes of the files made since the start; a file that several patterns match counts once."""
    return sum({product.path: product.weight for product in _select_new(matches, started_at)}.values())


def _select_new(products: Iterable[FoundFile], started_at: int) -> list[FoundFile]:
    return [product for product in products if product.changed_at >= started_at - _TIMESTAMP_TOLERANCE_MS]


def _explain_mismatch(pattern: str, products: list[FoundFile], started_at: int) -> str | None:
    """Return why the pattern is not met, by its newest match; None if it is."""
    if not products:
        return f"{pattern}: nothing matches"
    fresh = _select_new(products, started_at)
    if not fresh:
        return f"{pattern}: {max(products, key=_modification_time).path} was last changed before the start"
    if all(product.size == 0 for product in fresh):
        return f"{pattern}: {max(fresh, key=_modification_time).path} is empty"
    return None


def _modification_time(product: FoundFile) -> int:
    return product.changed_at
