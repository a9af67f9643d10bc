"""`mainspring locks list|break`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import lists, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.table import Column
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.store.base import Reader
    from mainspring.store.views import LockView


def _names(reader: "Reader") -> list[str]:
    from mainspring.store.reads.status import locks

    return [view.name for view in locks(reader)]


LOCK = params.Name(_names, "lock")


def _state(view: "LockView") -> str:
    return "held" if view.live else "left"


@command("list", "list locks that are held")
@lists.options("held", "left")
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """`left` = the process that took it is gone; the next one that wants the lock gets it."""
    from mainspring.store.reads.status import locks

    rows = lists.narrow(
        invocation,
        invocation.read(locks),
        named=lambda view: view.name,
        state=_state,
        at=lambda view: view.taken_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    columns = [
        Column("LOCK", lambda view: words.one_line(view.name), cut=True),
        Column("STATE", _state, lambda view: "green" if view.live else "yellow"),
        Column("OWNER", lambda view: words.one_line(view.owner), cut=True, most=40),
        Column("TOKEN", lambda view: str(view.token), right=True),
        Column("TAKEN", lambda view: words.ago(view.taken_at, now)),
    ]
    invocation.output.rows(rows, columns, empty="No lock is held.")


@command("break", "take a lock away from its holder")
@click.argument("name", type=LOCK)
@pass_invocation
def break_command(invocation: Invocation, name: str) -> None:
    """The next holder gets a higher fencing token; the old one may still believe in his. Wants -y; say why with --reason."""
    from mainspring.service.lock import break_lock

    name = lists.known("lock", name, _names(invocation.reader))
    invocation.confirm(f"Break lock {name}")
    break_lock(invocation.store, name, act=invocation.act)
    invocation.output.document({"name": name, "broken": True}, f"Lock {name} is free.")
