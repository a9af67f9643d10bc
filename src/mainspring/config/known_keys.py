"""The known keys, taken from the Structs of `settings`: which key is a table, which is a value, and the suggestion for an unknown key.

A path is a tuple of keys, `("worker", "queues", "mail", "rate")`. If a user chooses the name (a queue), the known key has `*`.
"""

from difflib import get_close_matches
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from mainspring.config.monitor_settings import MonitorsSettings, OwnMonitorsSettings
from mainspring.config.settings import SECTIONS

KeyPath = tuple[str, ...]

# A bare value in place of one of these tables sets this key of it: `mail = 2` is `mail = { concurrency = 2 }`.
SHORTHANDS: dict[KeyPath, str] = {
    ("worker", "queues", "*"): "concurrency",
    ("databases", "*"): "url",
    ("brokers", "*"): "url",
    **{("monitors", kind): "on" for kind in MonitorsSettings.__struct_fields__ if kind != "of"},
    **{("monitors", "of", "*", kind): "on" for kind in OwnMonitorsSettings.__struct_fields__},
}


def _collect(path: KeyPath, annotation: Any, tables: set[KeyPath], values: dict[KeyPath, Any]) -> None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        tables.add(path)
        for field in fields(annotation):
            _collect((*path, field.name), field.type, tables, values)
    elif get_origin(annotation) is dict:
        tables.add(path)
        _collect((*path, "*"), get_args(annotation)[1], tables, values)
    else:
        values[path] = annotation


KNOWN_TABLES: set[KeyPath] = set()
KNOWN_VALUES: dict[KeyPath, Any] = {}
for _name, _section in SECTIONS.items():
    _collect((_name,), _section, KNOWN_TABLES, KNOWN_VALUES)


def find_known_key(path: KeyPath) -> KeyPath | None:
    """Return the known key or table that `path` is an instance of, or None."""
    for known in (*KNOWN_TABLES, *KNOWN_VALUES):
        if len(known) == len(path) and all(
            known_part in ("*", part) for known_part, part in zip(known, path, strict=True)
        ):
            return known
    return None


def suggest_key(path: KeyPath) -> str | None:
    """Return the dotted known key that is most like the unknown `path`: of the same table, if that is known."""
    known = [
        tuple(part if known_part == "*" else known_part for known_part, part in _pair_parts(key, path))
        for key in (*KNOWN_TABLES, *KNOWN_VALUES)
    ]
    table = path[:-1] if find_known_key(path[:-1]) else ()
    inner = {".".join(key[len(table) :]) for key in known if key[: len(table)] == table and len(key) > len(table)}
    close = get_close_matches(".".join(path[len(table) :]), sorted(inner), n=1, cutoff=0.6)
    return ".".join((*table, close[0])) if close else None


def list_names_in_table(path: KeyPath) -> list[str]:
    """Return the names that are known in the table of `path`; none if it is no table, or names are free."""
    form = find_known_key(path[:-1])
    if form not in KNOWN_TABLES or form is None:
        return []
    names = dict.fromkeys(
        key[len(form)] for key in (*KNOWN_TABLES, *KNOWN_VALUES) if len(key) > len(form) and key[: len(form)] == form
    )
    return sorted(name for name in names if name != "*")


def _pair_parts(known: KeyPath, path: KeyPath) -> list[tuple[str, str]]:
    """Pair the parts of a known key with those of `path`; `*` stays where `path` is too short to name it."""
    return [(known_part, path[index] if index < len(path) else "NAME") for index, known_part in enumerate(known)]
