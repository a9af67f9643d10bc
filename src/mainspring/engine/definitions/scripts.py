"""Scripts: commands as automations, from Python or from a TOML file.

    [script.backup]
    cmd = "./backup.sh"
    cron = "0 3 * * *"

Invariant: the scripts of a file are independent: an invalid one becomes a problem, the others load.
"""

import tomllib
from pathlib import Path
from typing import Any

from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.definitions.options import list_options
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.text.toml_lines import locate_keys
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.command_definition import COMMAND_KEYS, build_command_definition
from mainspring.engine.definitions.default_options import default_retry
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.definitions.trigger_draft import TRIGGER_KINDS, read_trigger_drafts


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
        if key not in known and key not in COMMAND_KEYS:
            raise UnknownNameError("key", key, [*known, *COMMAND_KEYS, "cmd"])
    draft = build_command_definition(
        DefinitionKind.SCRIPT, options.pop("name", name), table["cmd"], options, file=str(path), line=line
    )
    retry = options.get("retry")
    return Automation(draft, None, default_retry() if retry is None else Retry.parse(retry), read_trigger_drafts(table))
