"""Lists of secrets and of their uses, `mainspring secrets list|log`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.secrets.secret_list import SecretLine
    from mainspring.store.base import StoreReader

_HOUR_MS = 3_600_000


@command("list", "list secrets: provider, version, last use; never a value")
@short_lists.add_list_options(default_limit=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """--since compares the last use."""
    from mainspring.insight.secrets.secret_list import list_secrets

    now, due = invocation.clock.now(), invocation.settings.secrets.due

    def read(reader: "StoreReader | None") -> "tuple[list[SecretLine], list[str]]":
        return list_secrets(invocation.secrets, reader, due, now)

    lines, problems = invocation.read_if_made(read, None) or read(None)
    selected = short_lists.filter_rows(
        invocation,
        lines,
        name_of=lambda line: line.name,
        state=lambda line: "",
        at=lambda line: line.last_used_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("NAME", lambda line: line.name),
        TableColumn("PROVIDER", lambda line: formatting.escape_line(line.provider), cut=True, most=40),
        TableColumn(
            "VERSION", lambda line: " ".join(filter(None, (line.version, line.older and f"(and {line.older})")))
        ),
        TableColumn("CHANGED", lambda line: _format_instant(line.changed_at, now)),
        TableColumn("LAST USED", lambda line: _format_instant(line.last_used_at, now)),
        TableColumn("BY", lambda line: formatting.escape_line(line.last_used_by or ""), cut=True, most=40, spare=True),
    ]
    invocation.output.rows(
        selected, columns, empty="No provider lists a secret. Store one: mainspring secrets set NAME"
    )
    for line in selected:
        if line.hint is not None:
            invocation.output.hint(f"{line.name}: {line.hint}")
    for problem in problems:
        invocation.output.warn(problem)


@command("log", "list the uses of secrets by hour, newest first")
@click.option("--name", metavar="NAME", help="only this secret")
@params.since_option
@params.make_limit_option(50)
@pass_invocation
def log(invocation: Invocation, name: str | None, since: str | None, limit: int) -> None:
    """COUNT is the number of attempts. Changes, reveals and refusals: mainspring audit-log list --subject secret:NAME."""
    from mainspring.insight.secrets.secret_list import describe_user
    from mainspring.store.read.secret_uses import list_secret_uses

    since_at = params.read_instant(invocation, since) or 0
    until_at = invocation.clock.now() + _HOUR_MS
    uses = invocation.read(
        lambda reader: list(list_secret_uses(reader, name, since_at - since_at % _HOUR_MS, until_at, limit + 1))
    )
    zone = invocation.zone
    columns: list[TableColumn] = [
        TableColumn("HOUR", lambda use: formatting.format_instant(use.hour_at, zone)),
        TableColumn("SECRET", lambda use: use.secret),
        TableColumn("VERSION", lambda use: formatting.escape_line(use.version)),
        TableColumn(
            "USED BY", lambda use: formatting.escape_line(describe_user(use.automation, use.step, use.actor)), cut=True
        ),
        TableColumn("PROCESS", lambda use: formatting.escape_line(use.actor), cut=True, most=40, spare=True),
        TableColumn("COUNT", lambda use: str(use.number), right=True),
    ]
    invocation.output.rows(uses[:limit], columns, empty="No use of a secret is on record.")
    if len(uses) > limit:
        invocation.output.hint(f"More match than {limit}: add --limit, --name or --since.")


def _format_instant(at: int | None, now: int) -> str:
    return "" if at is None else formatting.format_distance(at, now)
