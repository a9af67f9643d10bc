"""`mainspring notify test`: whether a channel takes what it is told, now, without the store."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.table import Column
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.app.channel_try import Tried


@command("test", "tell a channel, or each of them, that this is a test")
@click.argument("channel", required=False)
@pass_invocation
def test(invocation: Invocation, channel: str | None) -> int:
    """Says what each channel answered, and ends with 9 if one did not take it. Nothing is stored, and nothing stays open on PagerDuty."""
    from mainspring.app.channel_try import channels_to_try, try_channels

    settings = invocation.settings
    names = channels_to_try(settings, channel)
    found = try_channels(settings, names, by=invocation.act.actor.name, clock=invocation.machine_clock)
    columns = [
        Column("CHANNEL", lambda one: one.channel, cut=True),
        Column("ANSWER", _answer, lambda one: "red" if one.fault else "green", cut=True),
        Column("TOOK", lambda one: words.span(one.took_ms)),
        Column("ADDRESS", lambda one: one.address, cut=True),
    ]
    invocation.output.rows(found, columns, empty="")
    return exits.CHECK_FAILED if any(one.fault for one in found) else exits.OK


def _answer(one: "Tried") -> str:
    return f"{words.BAD} {words.one_line(one.fault)}" if one.fault else f"{words.GOOD} taken"
