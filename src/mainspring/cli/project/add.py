"""Add an automation to the current project: `mainspring add script|workflow`."""

import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.project.init import format_toml_text, write_new_file
from mainspring.cli.project.templates import NEW_SCRIPT
from mainspring.domain.errors import AlreadyExistsError, ConfigError, StoreReadOnlyError
from mainspring.domain.text.toml_lines import locate_keys

_SCRIPTS_FILE = "scripts.toml"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_CLOSING_BRACKET = re.compile(r"\]\s*(?:#[^\n]*)?$")
_KEY = ("project", "automations")


@command("script", "add a script to scripts.toml")
@click.argument("name")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--every", metavar="SPAN", help="start it at this interval: 1m, 6h")
@click.option("--cron", metavar="FIELDS", help='start it at these times: "0 3 * * *"')
@click.option("--tz", metavar="ZONE", help="time zone of --cron, such as Europe/Berlin")
@click.option("--timeout", metavar="SPAN", help="end an attempt after this time")
@pass_invocation
def script(
    invocation: Invocation,
    name: str,
    words: tuple[str, ...],
    every: str | None,
    cron: str | None,
    tz: str | None,
    timeout: str | None,
) -> None:
    """Mainspring runs COMMAND in the folder of the project, without a shell. For pipes and globs write `sh -c "..."`.

    If COMMAND names a file of the project that does not exist, it is created and made executable: write your own commands into it.
    scripts.toml is added to the automations of the project.
    """
    from mainspring.domain.definitions.definition import DefinitionKind
    from mainspring.engine.definitions.command_definition import build_command_definition

    folder = _require_project_folder(invocation)
    file = folder / _SCRIPTS_FILE
    options = {
        key: value for key, value in (("every", every), ("cron", cron), ("tz", tz), ("timeout", timeout)) if value
    }
    definition = build_command_definition(DefinitionKind.SCRIPT, name, list(words), options, file=str(file))
    old_text = _read_scripts(file, name)
    listed = ", ".join(format_toml_text(word) for word in words)
    lines = [f"[script.{name if _BARE_KEY.fullmatch(name) else format_toml_text(name)}]", f"cmd = [{listed}]"]
    lines += [f"{key} = {format_toml_text(value)}" for key, value in options.items()]
    block = "\n".join(lines)
    _write_file(file, f"{old_text.rstrip()}\n\n{block}\n".lstrip("\n"))
    script_note = _make_runnable(folder, words[0])
    starts = "; ".join(schedule.describe() for schedule in definition.schedules)
    document = {
        "name": name,
        "file": str(file),
        "starts": starts or f"with: mainspring run {name}",
        "made": script_note,
    }
    output_lines = [
        f"{file}: {name}, starts {document['starts']}",
        *([f"{folder / words[0]}: {script_note}"] if script_note else []),
    ]
    invocation.output.document(document, "\n".join(output_lines))
    _add_to_automations(invocation, file)
    schedule = (
        "" if starts else f'\nGive it a schedule: write `cron = "0 3 * * *"` below [script.{name}] in {file.name}.'
    )
    invocation.output.hint(f"{_format_next_steps(name)}{schedule}")


@command("workflow", "write a file with an example workflow")
@click.argument("name")
@pass_invocation
def workflow(invocation: Invocation, name: str) -> None:
    """Writes automations/NAME.py and adds it to the automations of the project. An existing file is not changed."""
    from mainspring.cli.project.templates import NEW_WORKFLOW
    from mainspring.domain.definitions.options import OPTIONS

    OPTIONS["name"].read(name)
    function = re.sub(r"\W", "_", name).strip("_") or "workflow"
    function = f"w_{function}" if function[0].isdigit() else function
    file = _require_project_folder(invocation) / "automations" / f"{function}.py"
    write_new_file(file, NEW_WORKFLOW.format(title=name, name=format_toml_text(name), function=function))
    invocation.output.document({"name": name, "file": str(file)}, str(file))
    _add_to_automations(invocation, file)
    invocation.output.hint(_format_next_steps(name))


def _require_project_folder(invocation: Invocation) -> Path:
    if invocation.settings.file is None:
        raise ConfigError(
            "there is no project here: this folder and its parents have no mainspring.toml",
            hint="Create one: mainspring init",
        )
    return invocation.settings.folder


def _read_scripts(file: Path, name: str) -> str:
    """Return the text of the scripts file, "" if it does not exist.

    Raises:
        AlreadyExistsError: it has a script of this name.
        ConfigError: it cannot be read.
    """
    if not file.exists():
        return ""
    try:
        text = file.read_text(encoding="utf-8")
        tables = tomllib.loads(text).get("script", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the scripts cannot be read: {error}\nin {file}") from None
    if isinstance(tables, dict) and name in tables:
        raise AlreadyExistsError(
            f"there is already a script {name!r}\nin {file}", hint="Change it there, or choose another name."
        )
    return text


def _make_runnable(folder: Path, word: str) -> str:
    """Write the script that a command names, or make it executable. Return what was done, "" = nothing."""
    path = folder / word
    if "/" not in word or not path.resolve().is_relative_to(folder.resolve()):
        return ""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(NEW_SCRIPT, encoding="utf-8")
            path.chmod(0o755)
            return "created, executable: write your commands into it"
        if path.is_file() and not os.access(path, os.X_OK):
            path.chmod(path.stat().st_mode | 0o111)
            return "made executable"
    except OSError as error:
        raise StoreReadOnlyError(f"{path} cannot be made executable: {error.strerror}") from None
    return ""


def _format_next_steps(name: str) -> str:
    return (
        f"\nNext:\n  mainspring run {shlex.quote(name)}      (once, now)\n  mainspring dev      (from now "
        "on; reloads when the code changes)"
    )


def _write_file(file: Path, text: str) -> None:
    try:
        write_file(file, text)
    except OSError as error:
        raise StoreReadOnlyError(f"{file} cannot be written: {error.strerror}") from None


def _add_to_automations(invocation: Invocation, file: Path) -> None:
    """Add a file to the automations of the project, unless they include it; if that fails, print the entry to write."""
    from fnmatch import fnmatch

    config = invocation.settings.file
    patterns = invocation.settings.project.automations
    if config is None or any(
        str(file) == pattern or fnmatch(str(file), pattern) or str(file.parent) == pattern for pattern in patterns
    ):
        return
    name = file.relative_to(invocation.settings.folder).as_posix()
    changed = add_automation(config.read_text(encoding="utf-8"), name)
    if changed is None:
        invocation.output.warn(f"{name} is not in project.automations of {config}: add it there")
        return
    _write_file(config, changed)
    invocation.output.hint(f"{config}: added {name} to project.automations")


def add_automation(text: str, name: str) -> str | None:
    """Return the text of a configuration with one more entry in `project.automations`; None = a person must write it."""
    lines = text.split("\n")
    places = locate_keys(text)
    if _KEY in places:
        changed = _extend_list(lines, places[_KEY] - 1, format_toml_text(name))
    elif ("project",) in places:
        changed = [
            *lines[: places["project",]],
            f"automations = [{format_toml_text(name)}]",
            *lines[places["project",] :],
        ]
    else:
        changed = [f"[project]\nautomations = [{format_toml_text(name)}]\n", *lines]
    written = "\n".join(changed)
    return written if _read_automations(written) == [*(_read_automations(text) or []), name] else None


def write_file(file: Path, text: str) -> None:
    """Replace a file in one step: a concurrent reader sees the old text or the new one. Raises OSError."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _extend_list(lines: list[str], start: int, entry: str) -> list[str]:
    """Return the lines with an entry before the closing bracket of the list that starts at `start`."""
    for end in range(start + 1, len(lines) + 1):
        source = "\n".join(lines[start:end])
        closing = _CLOSING_BRACKET.search(source)
        if closing is None or not _is_toml(source):
            continue
        before = source[: closing.start()].rstrip().removesuffix(",")
        between = "" if before.endswith("[") else ", "
        return [*lines[:start], f"{before}{between}{entry}{source[closing.start() :]}", *lines[end:]]
    return lines


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _read_automations(text: str) -> list[Any] | None:
    if not _is_toml(text):
        return None
    project = tomllib.loads(text).get("project")
    automations = project.get("automations", []) if isinstance(project, dict) else []
    return automations if isinstance(automations, list) else None
