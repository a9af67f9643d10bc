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

    return list(dict.fromkeys(view.name for view in locks(reader) if view.place is None))


LOCK = params.StoredNameType(_read_lock_names, "lock")


def _read_backend(invocation: Invocation, backend: str) -> "list[LockView]":
    """Return the held locks of a backend, as far as its server can name them."""
    from mainspring.resources.lock_backends import LOCK_BACKENDS
    from mainspring.store.views import LockView

    now = invocation.clock.now()
    return [
        LockView(view.name, view.owner, None, view.token, view.since_at or now, None, 1, 1, 1, None, view.until_at, 0)
        for view in LOCK_BACKENDS.list_holders(backend, invocation.secrets.get)
    ]


def _break_in_backend(invocation: Invocation, backend: str, name: str) -> None:
    """Take a lock of a backend from its holder; the audit log of the store records it."""
    from mainspring.service.lock import break_backend_lock

    invocation.confirm(f"Break lock {name} of backend {backend}")
    break_backend_lock(invocation.store, backend, name, secret=invocation.secrets.get, act=invocation.act)
    invocation.output.document({"name": name, "backend": backend, "broken": True}, f"Broken: lock {name} of {backend}.")


def _describe_state(view: "LockView") -> str:
    """Return the state, with the place in line or the slot."""
    if view.place is not None:
        return f"waiting {view.place}"
    return view.state if view.slots == 1 else f"{view.state} {view.slot}/{view.slots}"


_backend_option = click.option(
    "--backend", metavar="NAME", help="the locks of this server of [locks], instead of the store's"
)


@command("list", "list who holds locks and who waits for them")
@short_lists.add_list_options("held", "left", "waiting")
@_backend_option
@pass_invocation
def list_command(
    invocation: Invocation,
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    limit: int,
    backend: str | None,
) -> None:
    """`held 2/3` = it has slot 2 of 3. `waiting 1` = it is the first in line. `left` = the process of the holder is gone; the next one that
    wants the lock gets it.
    """
    from mainspring.store.read.status.status import locks

    rows = short_lists.filter_rows(
        invocation,
        invocation.read(locks) if backend is None else _read_backend(invocation, backend),
        name_of=lambda view: view.name,
        state=lambda view: view.state,
        at=lambda view: view.acquired_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    columns = [
        TableColumn("LOCK", lambda view: formatting.escape_line(view.name), cut=True),
        TableColumn("STATE", _describe_state, lambda view: "green" if view.live else "yellow"),
        TableColumn("OWNER", lambda view: formatting.escape_line(view.owner), cut=True, most=40),
        TableColumn("TOKEN", lambda view: "" if view.token is None else str(view.token), right=True),
        TableColumn("SINCE", lambda view: formatting.format_distance(view.acquired_at, now)),
        TableColumn(
            "UNTIL",
            lambda view: "" if view.until_at is None else formatting.format_distance(view.until_at, now),
            spare=True,
        ),
    ]
    invocation.output.rows(rows, columns, empty="No lock is held.")


@command("break", "take a lock away from its holder")
@click.argument("name", type=LOCK)
@click.option("--slot", metavar="N", type=click.IntRange(1, 1_000), help="take only this slot of it")
@_backend_option
@pass_invocation
def break_command(invocation: Invocation, name: str, slot: int | None, backend: str | None) -> None:
    """The next waiter gets it, with a higher token. The old holder may continue as if it had the lock. Needs -y; give a --reason."""
    from mainspring.service.lock import break_lock

    if backend is not None:
        _break_in_backend(invocation, backend, name)
        return
    name = short_lists.require_known_name("lock", name, _read_lock_names(invocation.reader))
    part = f"lock {name}" if slot is None else f"slot {slot} of lock {name}"
    invocation.confirm(f"Break {part}")
    break_lock(invocation.store, name, slot=slot, act=invocation.act)
    invocation.output.document(
        {"name": name, "broken": True}, f"Broken: {part}. The next waiter has it, or it is free."
    )
