"""The actions commands: `mainspring actions list|show`. They need neither a project nor a store."""

import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn

if TYPE_CHECKING:
    from mainspring.actions.base.action_catalog import ActionArgument

_ALL_ACTIONS = 500
_WIDTH = 100
_COLUMNS = (
    TableColumn("ACTION", lambda entry: entry.name),
    TableColumn("ABOUT", lambda entry: entry.summary, cut=True),
)


class ActionType(StringParamType):
    """The name of an action, such as files.write."""

    name = "action"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names."""
        from mainspring.actions.base.action_catalog import list_actions

        with suppress(Exception):
            return [CompletionItem(entry.name) for entry in list_actions() if entry.name.startswith(incomplete)]
        return []


@command("list", "list the ready-made actions: files, commands, SQL and others")
@click.option("--name", metavar="TEXT", help="only those whose name or line holds this text")
@params.make_limit_option(_ALL_ACTIONS)
@pass_invocation
def list_command(invocation: Invocation, name: str | None, limit: int) -> None:
    """See one with `mainspring actions show NAME`."""
    from mainspring.actions.base.action_catalog import list_actions

    part = (name or "").lower()
    entries = [entry for entry in list_actions() if part in f"{entry.name} {entry.summary}".lower()]
    invocation.output.rows(entries[:limit], _COLUMNS, empty="No action has this text in its name or line.")


@command("show", "show an action: its arguments, why it is safe to run twice, an example")
@click.argument("name", type=ActionType())
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """NAME is one of `mainspring actions list`, such as files.write."""
    from mainspring.actions.base.action_catalog import find_action

    entry = find_action(name)
    output = invocation.output

    def print_text() -> None:
        output.line(output.paint(entry.call, None, bold=True))
        for text in (entry.summary, *entry.description.split("\n\n"), entry.safe):
            if text:
                output.line()
                output.line(textwrap.fill(" ".join(text.split()), _WIDTH))
        output.line("\nArguments:")
        width = max((len(argument.name) for argument in entry.arguments), default=0)
        for argument in entry.arguments:
            output.line(f"    {argument.name:{width}}  {argument.type}, {_describe_default(argument)}")
        output.line(f"\nReturns: {entry.returns}")
        if entry.async_form is not None:
            output.line(f"\nIn an event loop: await {entry.async_form}(...)")
        for title, section in (("Example", entry.example), ("Raises", entry.errors)):
            if section:
                output.line(f"\n{title}:\n{textwrap.indent(section, '    ')}")
        output.line(f"\nAutomations that use it: mainspring auto list --action {entry.name}")

    output.document(entry, print_text)


def _describe_default(argument: "ActionArgument") -> str:
    if argument.default is None:
        return "required"
    return f"default {argument.default}" if argument.default else "optional"
