"""The known keys, taken from the Structs of `settings`: which key is a table, which is a value, and the suggestion for an unknown key.

A path is a tuple of keys, `("worker", "queues", "mail", "rate")`. If a user chooses the name (a queue), the known key has `*`.
The keys of a section are collected when one of them is read, so a process imports the monitors only if something is set for them.
"""

from functools import cache
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from mainspring.config.settings import MONITORS_SECTION, SECTION_NAMES, section_type

KeyPath = tuple[str, ...]

# A bare value in place of one of these tables sets this key of it: `mail = 2` is `mail = { concurrency = 2 }`.
_SHORTHANDS: dict[KeyPath, str] = {
    ("worker", "queues", "*"): "concurrency",
    ("databases", "*"): "url",
    ("brokers", "*"): "url",
    ("locks", "*"): "url",
    ("actions", "http", "targets", "*"): "rate",
}
_SWITCH = "on"


@cache
def _collect_keys(section: str) -> tuple[set[KeyPath], dict[KeyPath, Any]]:
    """Return the tables of a section, and its values with their types."""
    tables: set[KeyPath] = set()
    values: dict[KeyPath, Any] = {}

    def collect(path: KeyPath, annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Struct):
            tables.add(path)
            for field in fields(annotation):
                collect((*path, field.name), field.type)
        elif get_origin(annotation) is dict:
            tables.add(path)
            collect((*path, "*"), get_args(annotation)[1])
        else:
            values[path] = annotation

    collect((section,), section_type(section))
    return tables, values


def list_known_values() -> dict[KeyPath, Any]:
    """Return all known keys with a value, and its type."""
    return {key: annotation for section in SECTION_NAMES for key, annotation in _collect_keys(section)[1].items()}


def find_value_type(known: KeyPath | None) -> Any | None:
    """Return the type of the value of a known key; None for a table or an unknown key."""
    return None if known is None else _collect_keys(known[0])[1].get(known)


def find_shorthand(known: KeyPath) -> str | None:
    """Return the key that a bare value in place of this table sets: `silence = false` is `silence = { on = false }`."""
    switch = (*known, _SWITCH)
    if known[0] == MONITORS_SECTION and find_value_type(switch) is not None:
        return _SWITCH
    return _SHORTHANDS.get(known)


def find_known_key(path: KeyPath) -> KeyPath | None:
    """Return the known key or table that `path` is an instance of, or None."""
    if not path or path[0] not in SECTION_NAMES:
        return None
    for known in _list_keys(path[0]):
        if len(known) == len(path) and all(
            known_part in ("*", part) for known_part, part in zip(known, path, strict=True)
        ):
            return known
    return None


def suggest_key(path: KeyPath) -> str | None:
    """Return the dotted known key that is most like the unknown `path`: of the same table, if that is known."""
    from difflib import get_close_matches

    known = [
        tuple(part if known_part == "*" else known_part for known_part, part in _pair_parts(key, path))
        for section in SECTION_NAMES
        for key in _list_keys(section)
    ]
    table = path[:-1] if find_known_key(path[:-1]) else ()
    inner = {".".join(key[len(table) :]) for key in known if key[: len(table)] == table and len(key) > len(table)}
    close = get_close_matches(".".join(path[len(table) :]), sorted(inner), n=1, cutoff=0.6)
    return ".".join((*table, close[0])) if close else None


def list_names_in_table(path: KeyPath) -> list[str]:
    """Return the names that are known in the table of `path`; none if it is no table, or names are free."""
    form = find_known_key(path[:-1])
    if form is None or find_value_type(form) is not None:
        return []
    names = dict.fromkeys(
        key[len(form)] for key in _list_keys(form[0]) if len(key) > len(form) and key[: len(form)] == form
    )
    return sorted(name for name in names if name != "*")


def _list_keys(section: str) -> tuple[KeyPath, ...]:
    tables, values = _collect_keys(section)
    return (*tables, *values)


def _pair_parts(known: KeyPath, path: KeyPath) -> list[tuple[str, str]]:
    """Pair the parts of a known key with those of `path`; `*` stays where `path` is too short to name it."""
    return [(known_part, path[index] if index < len(path) else "NAME") for index, known_part in enumerate(known)]
