"""`mainspring notify test`: whether a channel takes what it is told, now, without the store."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.app.alerting.channel_probe import ChannelProbeResult


@command("test", "tell a channel, or each of them, that this is a test")
@click.argument("channel", required=False)
@pass_invocation
def test(invocation: Invocation, channel: str | None) -> int:
    """Says what each channel answered, and ends with 9 if one did not take it. Nothing is stored, and nothing stays open on PagerDuty."""
    from mainspring.app.alerting.channel_probe import probe_channels, select_channels

    settings = invocation.settings
    names = select_channels(settings, channel)
    found = probe_channels(settings, names, by=invocation.act.actor.name, clock=invocation.machine_clock)
    columns = [
        TableColumn("CHANNEL", lambda one: one.channel, cut=True),
        TableColumn("ANSWER", _format_answer, lambda one: "red" if one.fault else "green", cut=True),
        TableColumn("TOOK", lambda one: formatting.format_span(one.took_ms)),
        TableColumn("ADDRESS", lambda one: one.address, cut=True),
    ]
    invocation.output.rows(found, columns, empty="")
    return exits.CHECK_FAILED if any(one.fault for one in found) else exits.OK


def _format_answer(one: "ChannelProbeResult") -> str:
    return f"{formatting.BAD} {formatting.escape_line(one.fault)}" if one.fault else f"{formatting.GOOD} taken"
