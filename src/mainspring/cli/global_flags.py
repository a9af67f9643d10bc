"""The global flags, which may precede or follow the command, and their values."""

from typing import Any

import click
from msgspec import Struct


class GlobalFlags(Struct):
    """The values of the flags; None or False = not given."""

    config: str | None = None
    store: str | None = None
    environment: str | None = None
    json: bool = False
    fields: str | None = None
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    no_input: bool = False
    yes: bool = False
    reason: str | None = None
    command_id: str | None = None
    actor: str | None = None


_TEXT_OPTIONS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("--config",), "config", "FILE", "read this configuration file"),
    (("--store",), "store", "URL", "use this store instead of the configured one"),
    (("--env", "--environment"), "environment", "NAME", "use this environment (production, development, ...)"),
    (("--fields",), "fields", "NAME,...", "print JSON with only these fields"),
    (("--reason",), "reason", "TEXT", "record this reason in the audit log"),
    (("--command-id",), "command_id", "ID", "do it once: a repeated id changes nothing"),
    (("--actor",), "actor", "NAME", "record this person or program as the actor (default: user@host)"),
)
_SWITCH_OPTIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("--json",), "json", "print JSON: a list for lists, an object for one item"),
    (("-v", "--verbose"), "verbose", "print more on stderr"),
    (("--quiet",), "quiet", "print no hints and no progress"),
    (("--no-color",), "no_color", "print no colours (also: NO_COLOR, TERM=dumb)"),
    (("--no-input",), "no_input", "never ask questions"),
    (("-y", "--yes"), "yes", "confirm without asking"),
)


def _record_flag(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Record a given flag. A flag before the command is not reset after it."""
    if value == "" and param.name != "global_reason":
        raise click.BadParameter("it is empty: leave it out, or give it a value", ctx=ctx, param=param)
    if value and ctx.obj is not None and param.name is not None:
        setattr(ctx.obj.flags, param.name.removeprefix("global_"), value)


def make_global_options(*, hidden: bool, own_names: frozenset[str] = frozenset()) -> list[click.Parameter]:
    """Return new option objects for each command, without the names that the command itself has."""
    options: list[click.Parameter] = []
    for names, name, metavar, text in _TEXT_OPTIONS:
        if not own_names & set(names):
            options.append(
                click.Option(
                    [f"global_{name}", *names],
                    metavar=metavar,
                    help=text,
                    hidden=hidden,
                    expose_value=False,
                    callback=_record_flag,
                )
            )
    for names, name, text in _SWITCH_OPTIONS:
        if not own_names & set(names):
            options.append(
                click.Option(
                    [f"global_{name}", *names],
                    is_flag=True,
                    help=text,
                    hidden=hidden,
                    expose_value=False,
                    callback=_record_flag,
                )
            )
    return options
