"""Lines of the keys in a TOML file. `tomllib` reports no lines, so the file is read again statement by statement.

A statement is the fewest lines from here on that `tomllib` accepts: a header, or a key with its (perhaps many-line) value.
Nothing of TOML's grammar is repeated here.
"""

import tomllib
from collections.abc import Iterator
from typing import Any


def locate_keys(text: str) -> dict[tuple[str, ...], int]:
    """Return the line (from 1) on which each key path of the valid TOML `text` is set first."""
    line_numbers: dict[tuple[str, ...], int] = {}
    header: tuple[str, ...] = ()
    for number, source, tree in _statements(text.replace("\r\n", "\n").split("\n")):
        if source.lstrip().startswith("["):
            header = max(_key_paths(tree), key=len)
            paths = [header[:depth] for depth in range(1, len(header) + 1)]
        else:
            paths = [(*header, *path) for path in _key_paths(tree)]
        for path in paths:
            line_numbers.setdefault(path, number)
    return line_numbers


def _statements(lines: list[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield (first line number, text, parsed) of each statement."""
    start = 0
    for end in range(1, len(lines) + 1):
        source = "\n".join(lines[start:end])
        try:
            tree = tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue
        if tree:
            yield start + 1, source, tree
        start = end


def _key_paths(tree: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path of each key in `tree`, tables before their contents; `[[name]]` counts as a table."""
    for key, value in tree.items():
        yield (key,)
        inner = value[-1] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from ((key, *path) for path in _key_paths(inner))
