"""Channel probe, `mainspring notify test`: whether a channel accepts a notification now, without the store."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.app.alerting.channel_probe import ChannelProbeResult


@command("test", "send a test message to one channel, or to all")
@click.argument("channel", required=False)
@pass_invocation
def test(invocation: Invocation, channel: str | None) -> int:
    """Prints the answer of each channel, and ends with 9 if one did not accept the message. Nothing is stored, and nothing stays open on
    PagerDuty.
    """
    from mainspring.app.alerting.channel_probe import probe_channels, select_channels

    settings = invocation.settings
    names = select_channels(settings, channel)
    results = probe_channels(settings, names, by=invocation.act.actor.name, clock=invocation.machine_clock)
    columns = [
        TableColumn("CHANNEL", lambda result: result.channel, cut=True),
        TableColumn("ANSWER", _format_answer, lambda result: "red" if result.fault else "green", cut=True),
        TableColumn("DURATION", lambda result: formatting.format_span(result.took_ms)),
        TableColumn("ADDRESS", lambda result: result.address, cut=True),
    ]
    invocation.output.rows(results, columns, empty="")
    return exits.CHECK_FAILED if any(result.fault for result in results) else exits.OK


def _format_answer(result: "ChannelProbeResult") -> str:
    return f"{formatting.BAD} {formatting.escape_line(result.fault)}" if result.fault else f"{formatting.GOOD} accepted"
