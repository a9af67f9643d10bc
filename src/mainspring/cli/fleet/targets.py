"""Targets of HTTP actions, `mainspring targets list|reset`: hosts with a rate limit or a circuit breaker."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.effects.target_views import TargetView
    from mainspring.store.base import StoreReader


def _read_names(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.targets import list_targets

    return [state.target for state in list_targets(reader)]


TARGET = params.StoredNameType(_read_names, "host")


@command("list", "list hosts with limits: what is left of the rate, state of the breaker")
@short_lists.add_list_options("closed", "open", "half-open")
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """The limits are in [actions.http.targets] of the configuration. A host is listed after its first request."""
    from mainspring.insight.effects.target_views import view_targets
    from mainspring.store.read.targets import list_targets

    now, settings = invocation.clock.now(), invocation.settings.actions.http.targets

    def read(reader: "StoreReader") -> "list[TargetView]":
        return view_targets(list_targets(reader), {host: target.limits for host, target in settings.items()}, now)

    rows = short_lists.filter_rows(
        invocation,
        invocation.rows_if_made(read),
        name_of=lambda view: view.target,
        state=lambda view: view.state,
        at=lambda view: view.last_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("HOST", lambda view: formatting.escape_line(view.target), cut=True),
        TableColumn("BREAKER", lambda view: view.state, lambda view: "green" if view.state == "closed" else "yellow"),
        TableColumn("FAILURES", lambda view: str(view.failures), right=True),
        TableColumn("UNTIL", lambda view: _format_instant(view.open_until_at, now)),
        TableColumn("RATE LEFT", lambda view: "" if view.left is None else str(view.left), right=True),
        TableColumn("NEXT REQUEST", lambda view: _format_instant(view.next_at, now)),
        TableColumn("LAST REQUEST", lambda view: _format_instant(view.last_at, now), spare=True),
    ]
    invocation.output.rows(rows, columns, empty="No host with limits got a request yet.")


@command("reset", "close the breaker of a host, and forget the requests that its rate counts")
@click.argument("host", type=TARGET)
@pass_invocation
def reset(invocation: Invocation, host: str) -> None:
    """The next request is sent at once. Use it after the target was repaired. A step that waits for its next attempt keeps its time."""
    from mainspring.service.target import reset_target

    host = short_lists.require_known_name("host", host, _read_names(invocation.reader))
    reset_target(invocation.store, host, act=invocation.act)
    invocation.output.document({"target": host, "reset": True}, f"Reset: {host}. The next request is sent at once.")
    invocation.output.hint(
        "A step that waits for its next attempt does not start earlier. See when: mainspring runs list --state retrying"
    )


def _format_instant(at: int | None, now: int) -> str:
    return "" if at is None else formatting.format_distance(at, now)
