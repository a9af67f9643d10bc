"""Scripts: commands as automations, from Python or from a TOML file.

    [script.backup]
    cmd = "./backup.sh"
    cron = "0 3 * * *"

Invariant: the scripts of a file are independent: an invalid one becomes a problem, the others load.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainspring.domain.definitions.command_words import parse_command
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import list_options, parse_options
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.text.toml_lines import locate_keys
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.calendars import find_calendar
from mainspring.engine.definitions.default_options import apply_default_options, default_retry
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.definitions.trigger_draft import TRIGGER_KINDS, read_trigger_drafts

_OWN_KEYS = ("cwd", "env")


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
        if key not in known and key not in _OWN_KEYS:
            raise UnknownNameError(f"option of {where}:", key, [*known, *_OWN_KEYS])
    table = {key: value for key, value in options.items() if key not in _OWN_KEYS}
    parsed = apply_default_options(kind, parse_options(kind, {"name": name, **table}, where))
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


def load_scripts(path: Path) -> tuple[list[Automation], list[LoadProblem]]:
    """Return the scripts of a TOML file, and the problems of invalid ones."""
    try:
        text = path.read_text(encoding="utf-8")
        data, lines = tomllib.loads(text), locate_keys(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fix = "Fix the file: it must be TOML in UTF-8."
        return [], [LoadProblem(where=str(path), what=f"cannot be read: {error}", how=fix, target=str(path))]
    scripts: list[Automation] = []
    problems = [
        LoadProblem(where=str(path), what=f"unknown table [{key}]", how="Write [script.NAME] for each script.")
        for key in data
        if key != "script"
    ]
    tables = data.get("script", {})
    if not isinstance(tables, dict):
        fix = 'Write [script.NAME] and cmd = "...".'
        return [], [LoadProblem(where=str(path), what="script is not a table", how=fix, target=str(path))]
    for name, table in tables.items():
        line = lines.get(("script", name), 0)
        where = f"{path}:{line} [script.{name}]"
        try:
            scripts.append(_read_script(name, table, path, line))
        except MainspringError as error:
            fix = error.hint or "Fix this table."
            problems.append(LoadProblem(where=where, what=error.message, how=fix, automation=name))
    return scripts, problems


def _read_script(name: str, table: Any, path: Path, line: int) -> Automation:
    """Return the script that one table describes."""
    if not isinstance(table, dict) or "cmd" not in table:
        raise OptionError(f"script {name!r} has no cmd", hint='Add: cmd = "./backup.sh"')
    options = {key: value for key, value in table.items() if key != "cmd" and key not in TRIGGER_KINDS}
    known = [*(option.name for option in list_options(DefinitionKind.SCRIPT)), *TRIGGER_KINDS]
    for key in options:
        if key not in known and key not in _OWN_KEYS:
            raise UnknownNameError("key", key, [*known, *_OWN_KEYS, "cmd"])
    draft = build_command_definition(
        DefinitionKind.SCRIPT, options.pop("name", name), table["cmd"], options, file=str(path), line=line
    )
    retry = options.get("retry")
    return Automation(draft, None, default_retry() if retry is None else Retry.parse(retry), read_trigger_drafts(table))


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
