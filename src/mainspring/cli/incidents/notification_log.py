"""`mainspring notify log`: what was told to whom, what waits, and what no channel would take."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.states import AlertState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader
    from mainspring.store.read.incidents import AlertView

_STATE_COLOURS = {
    AlertState.UNSENT: "yellow",
    AlertState.SENT: "green",
    AlertState.REFUSED: "red",
    AlertState.DROPPED: None,
}


def _read_channel_names(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.incidents import channels

    return [one.name for one in channels(reader)]


@command("log", "list what was told to whom, and what waits to be told")
@click.option(
    "--channel", type=params.StoredNameType(_read_channel_names, "channel"), help="only what is for this channel"
)
@click.option("--state", type=click.Choice([state.value for state in AlertState]), help="only in this state")
@params.since_option
@params.limit_option
@pass_invocation
def log(invocation: Invocation, channel: str | None, state: str | None, since: str | None, limit: int) -> None:
    """Newest first. unsent waits for its time or for its channel, refused was not taken and never will be, dropped was over before its
    time. --since looks at when it was written.
    """
    from mainspring.store.read.incidents import alerts
    from mainspring.store.read.short_ids import IdKind

    since_at = params.read_instant(invocation, since)
    wanted = None if state is None else AlertState(state)
    found = invocation.read(
        lambda reader: alerts(reader, channel=channel, state=wanted, since_at=since_at, limit=limit)
    )
    now = invocation.clock.now()
    short = invocation.short_ids(IdKind.INCIDENT, (one.incident for one in found if one.incident))
    columns = [
        TableColumn("INCIDENT", lambda one: short.get(one.incident, "-")),
        TableColumn("STATE", lambda one: one.state, lambda one: _STATE_COLOURS[one.state]),
        TableColumn("CHANNEL", lambda one: formatting.escape_line(one.channel), cut=True, most=20),
        TableColumn("TELLS", lambda one: one.about),
        TableColumn("WHEN", lambda one: _format_time(one, now)),
        TableColumn("WHAT", lambda one: formatting.escape_line(_format_text(one)), cut=True, most=80),
    ]
    invocation.output.rows(found, columns, empty="Nothing was told and nothing waits to be.")


def _format_time(one: "AlertView", now: int) -> str:
    return (
        formatting.format_distance(one.ended_at, now)
        if one.ended_at is not None
        else f"due {formatting.format_distance(one.due_at, now)}"
    )


def _format_text(one: "AlertView") -> str:
    text = f"{one.automation or 'mainspring'}: {one.text}" if one.incident else "early signs"
    return f"{one.fault}; {text}" if one.fault else text
