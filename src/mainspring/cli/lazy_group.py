"""Lazy groups of commands: a command is imported when it is called, so that `mainspring version` imports nothing else.

A group knows its commands as rows of `commands.TREE`: name, module and one line of help. `--help` of a group prints these lines and
imports none of them. Invariant: the line in the table is the first line of the command's own help (a test compares them).
"""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import click

from mainspring.cli.global_flags import make_global_options


class CommandEntry(NamedTuple):
    """A command: `module:attribute` and its one line. An entry whose module does not exist is skipped."""

    target: str
    line: str

    @property
    def module(self) -> str:
        """The module of the command."""
        return self.target.partition(":")[0]


class GroupEntry(NamedTuple):
    """A group of commands on one noun."""

    line: str
    verbs: Mapping[str, CommandEntry]


CommandTree = Mapping[str, CommandEntry | GroupEntry]


@lru_cache(maxsize=256)
def _module_exists(module: str) -> bool:
    return find_spec(module) is not None


class FlaggedCommand(click.Command):
    """A command that accepts the global flags too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *make_global_options(hidden=True, own_names=_option_names(self.params))]


class LazyGroup(click.Group):
    """A group over a part of the table."""

    command_class = FlaggedCommand

    def __init__(self, *args: Any, tree: CommandTree, top: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tree = tree
        self.params = [*self.params, *make_global_options(hidden=not top, own_names=_option_names(self.params))]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of existing commands, in the order of the table."""
        return [name for name, entry in self.tree.items() if _entry_exists(entry)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or create the group of a noun."""
        entry = self.tree.get(cmd_name)
        if entry is None or not _entry_exists(entry):
            return None
        if isinstance(entry, GroupEntry):
            return LazyGroup(cmd_name, tree=entry.verbs, help=entry.line, no_args_is_help=True)
        module, _, attribute = entry.target.partition(":")
        imported: click.Command = getattr(import_module(module), attribute)
        return imported

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; for an unknown one, name the nearest."""
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            from difflib import get_close_matches

            known = self.list_commands(ctx)
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            text = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise click.UsageError(f"unknown command {name!r}\n{text}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the lines of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.tree[name].line) for name in self.list_commands(ctx)])


def command(name: str, line: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command; `line` is its one line of help, above the text of the docstring."""

    def declare(function: Callable[..., Any]) -> click.Command:
        details = (function.__doc__ or "").strip()
        if sys.version_info < (3, 13):  # newer ones remove the indentation when they compile
            details = details.replace("\n    ", "\n")
        decorate = click.command(
            name, cls=FlaggedCommand, help=f"{line}\n\n{details}" if details else line, short_help=line, **settings
        )
        return decorate(function)

    return declare


def _entry_exists(entry: CommandEntry | GroupEntry) -> bool:
    if isinstance(entry, GroupEntry):
        return any(_module_exists(leaf.module) for leaf in entry.verbs.values())
    return _module_exists(entry.module)


def _option_names(params: list[click.Parameter]) -> frozenset[str]:
    return frozenset(name for param in params if isinstance(param, click.Option) for name in param.opts)
