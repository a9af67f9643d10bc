"""The definition of a command: a script of Python or TOML, or the command of one `exec`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainspring.domain.definitions.command_words import parse_command
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import list_options, parse_definition_options
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.engine.definitions.calendars import find_calendar
from mainspring.engine.definitions.default_options import apply_default_options

COMMAND_KEYS = ("cwd", "env")
"""The keys of a command that are no options."""


def build_command_definition(
    kind: DefinitionKind, name: str, command: Any, options: Mapping[str, Any], *, file: str = "", line: int = 0
) -> Definition:
    """Return the definition of a command; `options` may hold `cwd` and `env` too.

    Raises:
        OptionError, UnknownNameError: the command or an option cannot be used.
    """
    place = f"{file}:{line}" if line else file
    where = f"{kind} {name!r}{f' at {place}' if place else ''}"
    known = [option.name for option in list_options(kind) if option.name != "name"]
    for key in options:
        if key not in known and key not in COMMAND_KEYS:
            raise UnknownNameError(f"option of {where}:", key, [*known, *COMMAND_KEYS])
    table = {key: value for key, value in options.items() if key not in COMMAND_KEYS}
    parsed = apply_default_options(kind, parse_definition_options(kind, {"name": name, **table}, where))
    name = parsed.pop("name")
    try:
        words = parse_command(command)
        cwd = _resolve_cwd(options.get("cwd"), file)
        env = _read_env(options.get("env"))
        schedules = build_schedules(parsed, name, calendar=find_calendar(parsed.get("calendar")))
    except MainspringError as error:
        raise OptionError(f"{error.message}\nin {where}", hint=error.hint) from None
    definition = Definition(
        kind=kind,
        name=name,
        module=file,
        version=parsed.pop("version", 1),
        options=parsed,
        schedules=schedules,
        fingerprint=hashlib.sha256(json.dumps([words, cwd, env], sort_keys=True).encode()).hexdigest(),
        command=words,
        cwd=cwd,
        env=env,
        file=file,
        line=line,
    )
    definition.check_templates()
    return definition


def _resolve_cwd(value: Any, file: str) -> str | None:
    """Return the folder of a command: `cwd` relative to the folder of the declaring file, otherwise that folder."""
    if value is not None and (not isinstance(value, str | Path) or not str(value)):
        raise OptionError(f"cwd={value!r} is not a folder", hint='Write cwd = "/srv/backup".')
    if not file or file.startswith("<"):
        return None if value is None else str(value)
    return str(Path(file).parent / Path(value or "").expanduser())


def _read_env(value: Any) -> dict[str, str]:
    """Return environment variables as text; numbers are converted as written."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(_is_variable(key, item) for key, item in value.items()):
        raise OptionError("env must be a table of text", hint='Write env = {PORT = "8080", LANG = "C"}.')
    return {str(key): str(item) for key, item in value.items()}


def _is_variable(key: Any, item: Any) -> bool:
    """Return whether an operating system accepts this as a variable."""
    if not isinstance(key, str) or not key or "=" in key or "\0" in key:
        return False
    return isinstance(item, str | int) and not isinstance(item, bool) and "\0" not in str(item)
