"""List of the options of a definition: each option of its kind, set or not."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import list_options
from mainspring.domain.values.plain_json import to_plain_json


class OptionRow(msgspec.Struct, frozen=True):
    """One option: the value in force, and whether the definition sets it."""

    name: str
    group: str
    value: Any
    set: bool
    help: str
    effect: str = ""
    """The value in force because of another option, in words."""


def format_option(value: Any) -> str:
    """Return a value for people: text and lists of text as they are, all else as JSON, "-" for nothing."""
    plain = to_plain_json(value)
    if plain in (None, [], {}):
        return "-"
    if isinstance(plain, list) and all(isinstance(item, str) for item in plain):
        return ", ".join(plain)
    if isinstance(plain, dict) and all(isinstance(item, str) for item in plain.values()):
        return ", ".join(f"{key}={item}" if item else key for key, item in plain.items())
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def list_option_rows(definition: Definition) -> list[OptionRow]:
    """Return the options in display order."""
    own_values = {"name": definition.name, "version": definition.version}
    limits = " and ".join(name for name in ("timeout", "heartbeat") if definition.option(name) is not None)
    effects = {"isolate": f"process (because of {limits})"} if definition.is_isolated_by_timeout else {}
    return [
        OptionRow(
            name=option.name,
            group=str(option.group),
            value=own_values.get(option.name, definition.option(option.name)),
            set=option.name in definition.options or option.name == "name",
            help=option.help,
            effect=effects.get(option.name, ""),
        )
        for option in list_options(definition.kind)
    ]
