"""`mainspring add script|workflow`: an automation more in the project one stands in."""

import re
import tomllib
from pathlib import Path

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.init import toml_text, write_new
from mainspring.cli.lazy import command
from mainspring.domain.errors import AlreadyExistsError, ConfigError, StoreReadOnlyError

_SCRIPTS = "scripts.toml"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@command("script", "add a script to scripts.toml")
@click.argument("name")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--every", metavar="SPAN", help="start it every so often: 1m, 6h")
@click.option("--cron", metavar="FIELDS", help='start it then: "0 3 * * *"')
@click.option("--tz", metavar="ZONE", help="the time zone of --cron, such as Europe/Berlin")
@click.option("--timeout", metavar="SPAN", help="the longest one attempt may take")
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
    """The command is run from the project's folder, by no shell: pipes and globs want `sh -c "..."`."""
    from mainspring.domain.definition import Kind
    from mainspring.engine.scripts import command_definition

    file = _project_folder(invocation) / _SCRIPTS
    options = {
        key: value for key, value in (("every", every), ("cron", cron), ("tz", tz), ("timeout", timeout)) if value
    }
    definition = command_definition(Kind.SCRIPT, name, list(words), options, file=str(file))
    old = _scripts(file, name)
    listed = ", ".join(toml_text(word) for word in words)
    lines = [f"[script.{name if _BARE.fullmatch(name) else toml_text(name)}]", f"cmd = [{listed}]"]
    lines += [f"{key} = {toml_text(value)}" for key, value in options.items()]
    _append(file, old, "\n".join(lines))
    starts = "; ".join(schedule.describe() for schedule in definition.schedules) or f"by: mainspring run {name}"
    invocation.output.document({"name": name, "file": str(file), "starts": starts}, f"{file}: {name}, starts {starts}")
    _warn_if_unlisted(invocation, file)


@command("workflow", "write a file with a workflow to begin from")
@click.argument("name")
@pass_invocation
def workflow(invocation: Invocation, name: str) -> None:
    """Writes automations/NAME.py; a file that is there is not touched."""
    from mainspring.cli.templates import NEW_WORKFLOW
    from mainspring.domain.options import OPTIONS

    OPTIONS["name"].read(name)
    function = re.sub(r"\W", "_", name).strip("_") or "workflow"
    function = f"w_{function}" if function[0].isdigit() else function
    file = _project_folder(invocation) / "automations" / f"{function}.py"
    write_new(file, NEW_WORKFLOW.format(title=name, name=toml_text(name), function=function))
    invocation.output.document({"name": name, "file": str(file)}, str(file))
    invocation.output.hint(f"Start it: mainspring run {name} --watch")
    _warn_if_unlisted(invocation, file)


def _project_folder(invocation: Invocation) -> Path:
    if invocation.settings.file is None:
        raise ConfigError(
            "there is no project here: no mainspring.toml in this folder or above", hint="Make one: mainspring init"
        )
    return invocation.settings.folder


def _scripts(file: Path, name: str) -> str:
    """Return the text of the scripts file, "" where there is none.

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
            f"there is a script {name!r} already\nin {file}", hint="Change it there, or take another name."
        )
    return text


def _append(file: Path, old: str, block: str) -> None:
    """Write the file anew with one more table; a worker that reads meanwhile sees the old file or the new one."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(f"{old.rstrip()}\n\n{block}\n".lstrip("\n"), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise StoreReadOnlyError(f"{file} cannot be written: {error.strerror}") from None


def _warn_if_unlisted(invocation: Invocation, file: Path) -> None:
    """Tell if the configuration does not name the file: then nobody would ever run it."""
    from fnmatch import fnmatch

    named = invocation.settings.project.automations
    if not any(str(file) == one or fnmatch(str(file), one) or str(file.parent) == one for one in named):
        invocation.output.warn(
            f"{file.name} is not among the automations of {invocation.settings.file}: add it to project.automations"
        )
