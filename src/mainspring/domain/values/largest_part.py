"""The largest part of a value: the path of the part that makes it too large."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.values.canonical_json import join_path

_DEEPEST = 20
_encode = msgspec.json.Encoder().encode


def find_largest_part(data: bytes) -> str:
    """Return the path of the innermost part that holds most of the bytes of the JSON `data`; "$" if no part does."""
    path, value, size = "$", msgspec.json.decode(data), len(data)
    for _ in range(_DEEPEST):
        weight, step, part = max(
            _list_parts(value, path), key=lambda part_entry: part_entry[0], default=(0, path, None)
        )
        if weight * 2 <= size:
            break
        path, value, size = step, part, weight
    return path


def _list_parts(value: Any, path: str) -> Iterator[tuple[int, str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield len(_encode(part)), join_path(path, key), part
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield len(_encode(part)), f"{path}[{index}]", part
