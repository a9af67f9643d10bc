"""The options of a definition as people see them: each that its kind takes, whether it was set or not."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import list_options
from mainspring.domain.values.plain_json import to_plain_json


class OptionRow(msgspec.Struct, frozen=True):
    """One option: the value in force, and whether somebody set it."""

    name: str
    group: str
    value: Any
    set: bool
    help: str
    effect: str = ""
    """What is in force because of another option, in words."""


def format_option(value: Any) -> str:
    """Return a value as people read it: text and lists of it as they are, all else as JSON, "-" for nothing."""
    told = to_plain_json(value)
    if told in (None, [], {}):
        return "-"
    if isinstance(told, list) and all(isinstance(one, str) for one in told):
        return ", ".join(told)
    if isinstance(told, dict) and all(isinstance(one, str) for one in told.values()):
        return ", ".join(f"{key}={one}" if one else key for key, one in told.items())
    return told if isinstance(told, str) else msgspec.json.encode(told).decode()


def list_option_rows(definition: Definition) -> list[OptionRow]:
    """Return the options in the order in which they are shown."""
    told = {"name": definition.name, "version": definition.version}
    effects = {"isolate": "process (because of timeout)"} if definition.is_isolated_by_timeout else {}
    return [
        OptionRow(
            name=option.name,
            group=str(option.group),
            value=told.get(option.name, definition.option(option.name)),
            set=option.name in definition.options or option.name == "name",
            help=option.help,
            effect=effects.get(option.name, ""),
        )
        for option in list_options(definition.kind)
    ]
