"""Notification log, `mainspring notify log`: what was sent to whom, what waits, and what no channel accepted."""

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

    return [channel.name for channel in channels(reader)]


@command("log", "list notifications: sent, waiting and refused")
@click.option(
    "--channel",
    type=params.StoredNameType(_read_channel_names, "channel"),
    help="list only notifications of this channel",
)
@click.option("--state", type=click.Choice([state.value for state in AlertState]), help="list only those in this state")
@params.since_option
@params.limit_option
@pass_invocation
def log(invocation: Invocation, channel: str | None, state: str | None, since: str | None, limit: int) -> None:
    """Newest first. unsent waits for its time or for its channel; refused was not accepted and will not be sent again; dropped was obsolete
    before its time. --since compares when it was written.
    """
    from mainspring.store.read.incidents import alerts
    from mainspring.store.read.short_ids import IdKind

    since_at = params.read_instant(invocation, since)
    alert_state = None if state is None else AlertState(state)
    selected = invocation.read(
        lambda reader: alerts(reader, channel=channel, state=alert_state, since_at=since_at, limit=limit)
    )
    now = invocation.clock.now()
    short_ids = invocation.short_ids(IdKind.INCIDENT, (alert.incident for alert in selected if alert.incident))
    columns = [
        TableColumn("INCIDENT", lambda alert: short_ids.get(alert.incident, "-")),
        TableColumn("STATE", lambda alert: alert.state, lambda alert: _STATE_COLOURS[alert.state]),
        TableColumn("CHANNEL", lambda alert: formatting.escape_line(alert.channel), cut=True, most=20),
        TableColumn("ABOUT", lambda alert: alert.about),
        TableColumn("WHEN", lambda alert: _format_time(alert, now)),
        TableColumn("WHAT", lambda alert: formatting.escape_line(_format_text(alert)), cut=True, most=80),
    ]
    invocation.output.rows(selected, columns, empty="No notification was sent, and none waits.")


def _format_time(alert: "AlertView", now: int) -> str:
    return (
        formatting.format_distance(alert.ended_at, now)
        if alert.ended_at is not None
        else f"due {formatting.format_distance(alert.due_at, now)}"
    )


def _format_text(alert: "AlertView") -> str:
    text = f"{alert.automation or 'mainspring'}: {alert.text}" if alert.incident else "early warnings"
    return f"{alert.fault}; {text}" if alert.fault else text
