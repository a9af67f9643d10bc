"""Locks: `mainspring locks list|break`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader
    from mainspring.store.views import LockView


def _read_lock_names(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.status.status import locks

    return [view.name for view in locks(reader)]


LOCK = params.StoredNameType(_read_lock_names, "lock")


def _lock_state(view: "LockView") -> str:
    return "held" if view.live else "left"


@command("list", "list held locks")
@short_lists.add_list_options("held", "left")
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """`left` = the process that took the lock is gone; the next one that wants it gets it."""
    from mainspring.store.read.status.status import locks

    rows = short_lists.filter_rows(
        invocation,
        invocation.read(locks),
        name_of=lambda view: view.name,
        state=_lock_state,
        at=lambda view: view.acquired_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    columns = [
        TableColumn("LOCK", lambda view: formatting.escape_line(view.name), cut=True),
        TableColumn("STATE", _lock_state, lambda view: "green" if view.live else "yellow"),
        TableColumn("OWNER", lambda view: formatting.escape_line(view.owner), cut=True, most=40),
        TableColumn("TOKEN", lambda view: str(view.token), right=True),
        TableColumn("SINCE", lambda view: formatting.format_distance(view.acquired_at, now)),
    ]
    invocation.output.rows(rows, columns, empty="No lock is held.")


@command("break", "take a lock away from its holder")
@click.argument("name", type=LOCK)
@pass_invocation
def break_command(invocation: Invocation, name: str) -> None:
    """The next holder gets a higher fencing token. The old holder may continue as if it had the lock. Needs -y; give a --reason."""
    from mainspring.service.lock import break_lock

    name = short_lists.require_known_name("lock", name, _read_lock_names(invocation.reader))
    invocation.confirm(f"Break lock {name}")
    break_lock(invocation.store, name, act=invocation.act)
    invocation.output.document({"name": name, "broken": True}, f"Lock {name} is free.")
