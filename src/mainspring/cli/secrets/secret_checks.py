"""Checks of secrets, `mainspring secrets get|check`: what a name leads to, and whether all that are needed can be read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.exits import CHECK_FAILED
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import ConfigError
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.definitions.definition import Definition

_AUTOMATION = "automation "


@command("get", "show where a secret comes from; with --reveal its value")
@click.argument("name", metavar="NAME")
@click.option("--reveal", is_flag=True, help="print the value, which is recorded in the audit log")
@pass_invocation
def get(invocation: Invocation, name: str, *, reveal: bool) -> None:
    """`--reveal` prints the value and a line end, and nothing else. Without a store, which has the audit log, nothing is revealed."""
    from mainspring.service.secret import record_operation

    read = invocation.secrets.read(name)
    detail = {"provider": read.provider, "version": read.version}
    if not reveal:
        version = f", version {read.version}" if read.version else ""
        invocation.output.document({"name": name, **detail}, f"{name} comes from {read.provider}{version}.")
        return
    record_operation(invocation.make_store(), "reveal", name, act=invocation.act, detail=detail)
    if invocation.output.is_json:
        invocation.output.document({"name": name, **detail, "value": read.value}, "")
    else:
        invocation.output.data.write(f"{read.value}\n")


@command("check", "check that all secrets that are needed can be read")
@pass_invocation
@click.pass_context
def check(ctx: click.Context, invocation: Invocation) -> None:
    """Reads what providers list, what the configuration names, what automations list in their option `secrets`, and what verifies the
    senders of webhooks. Loads the automations of the project, besides those that workers have announced.

    Prints no value. Exit code 9 if one cannot be read.
    """
    names, problems = find_problems(invocation)
    for problem in invocation.registry().problems:
        invocation.output.warn(f"{problem.where}: {problem.what}\n{problem.how}")

    def print_text() -> None:
        for problem in problems:
            invocation.output.line(f"{problem['user']}: {problem['problem']}")
            invocation.output.line(f"  {problem['fix']}")
        if not problems:
            invocation.output.line(f"{formatting.format_count(len(names), 'secret')} can be read.")

    invocation.output.document({"checked": names, "problems": problems}, print_text)
    if problems:
        ctx.exit(CHECK_FAILED)


def find_problems(invocation: Invocation) -> tuple[list[str], list[dict[str, str]]]:
    """Return the names that were read, and what cannot be read, each with its user and fix."""
    users, problems = _list_needed_secrets(invocation)
    for name, user in users:
        try:
            invocation.secrets.read(name)
        except ConfigError as error:
            fix = error.hint or ""
            if user.startswith(_AUTOMATION):
                word = formatting.shell_word(user.removeprefix(_AUTOMATION))
                fix = f"{fix.removesuffix('.')}; after a trial: mainspring auto retire {word}"
            problems.append({"name": name, "user": user, "problem": error.message, "fix": fix})
    return sorted({name for name, _ in users}), problems


def _list_needed_secrets(invocation: Invocation) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    """Return the names of secrets, each with what needs it, and the problems of providers that cannot list theirs."""
    from mainspring.config.due_secrets import list_secret_uses

    uses, problems = list(list_secret_uses(invocation.settings)), []
    for entry in invocation.secrets.entries:
        address = entry.provider.name
        try:
            uses += [(name, address) for name in entry.provider.list_names() or ()]
        except ConfigError as error:
            problems.append({"name": "", "user": address, "problem": error.message, "fix": error.hint or ""})
    for definition in _list_definitions(invocation):
        uses += [(name, f"{_AUTOMATION}{definition.name}") for name in definition.option("secrets") or ()]
        for trigger in definition.triggers.values():
            user = f"{trigger.source.describe()} of {definition.name}"
            uses += [(name, user) for name in trigger.source.secret_names()]
    return list(dict.fromkeys(uses)), problems


def _list_definitions(invocation: Invocation) -> Iterator["Definition"]:
    """Yield what workers have announced, and what the files of the project declare now: both may run. Retired automations do not."""
    from mainspring.engine.definitions.announcement import complete_definition
    from mainspring.insight.automations.announced_definitions import read_definition
    from mainspring.store.read.status import status

    views = invocation.rows_if_made(status.automations)
    retired = {view.name for view in views if view.retired_at is not None}
    for view in views:
        definition = read_definition(view)
        if definition is not None and view.name not in retired:
            yield definition
    for automation in invocation.registry():
        if automation.name not in retired:
            yield complete_definition(automation)
