"""`mainspring notify test`: whether a channel takes what it is told, now, without the store."""

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.output import Column
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.domain.notice import Notice
    from mainspring.operations.notifiers.base import ChannelLink
    from mainspring.resources.fault_text import FaultText

_WITHIN_S = 30.0


@command("test", "tell a channel, or each of them, that this is a test")
@click.argument("channel", required=False)
@pass_invocation
def test(invocation: Invocation, channel: str | None) -> int:
    """Says what each channel answered, and ends with 9 if one did not take it. Nothing is stored, and nothing stays open on PagerDuty."""
    from mainspring.app.brief_loop import run_briefly
    from mainspring.app.channels import addresses_of, open_links
    from mainspring.domain.channel import TERMINAL
    from mainspring.domain.errors import UnknownNameError
    from mainspring.resources.fault_text import FaultText
    from mainspring.resources.secret import Secrets

    settings = invocation.settings
    addresses = addresses_of(settings)
    if channel is not None and channel not in addresses:
        raise UnknownNameError("channel", channel, addresses)
    names = [channel] if channel is not None else list(settings.notify.channels) or [TERMINAL]
    faults = FaultText(Secrets(settings.secrets.dir, os.environ))
    links = open_links(settings, faults, invocation.clock)
    found = run_briefly(_tell_all({name: links[name] for name in names}, _notice(invocation), faults))
    columns = [
        Column("CHANNEL", lambda row: row["channel"]),
        Column("ANSWER", _answer, lambda row: "red" if row["fault"] else "green"),
        Column("TOOK", lambda row: words.span(row["took_ms"])),
        Column("ADDRESS", lambda row: row["address"]),
    ]
    rows = [row | {"address": addresses[row["channel"]]} for row in found]
    invocation.output.rows(rows, columns, empty="")
    return exits.CHECK_FAILED if any(row["fault"] for row in rows) else exits.OK


def _answer(row: dict[str, Any]) -> str:
    return f"{words.BAD} {words.one_line(row['fault'])}" if row["fault"] else f"{words.GOOD} taken"


async def _tell_all(links: "dict[str, ChannelLink]", notice: "Notice", faults: "FaultText") -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_tell(name, link, notice, faults) for name, link in links.items())))


async def _tell(name: str, link: "ChannelLink", notice: "Notice", faults: "FaultText") -> dict[str, Any]:
    from mainspring.operations.notifiers.base import ChannelFault

    since = time.monotonic()
    fault = None
    try:
        async with asyncio.timeout(_WITHIN_S):
            await link.send(notice, None)
    except ChannelFault as error:
        fault = error.text
    except Exception as error:  # noqa: BLE001 - what a library raises is the answer
        fault = faults.of(error) or type(error).__name__
    finally:
        await link.close()
    return {"channel": name, "fault": fault, "took_ms": round((time.monotonic() - since) * 1000)}


def _notice(invocation: Invocation) -> "Notice":
    from mainspring.domain.ids import new_id
    from mainspring.domain.incident import Severity
    from mainspring.domain.notice import About, Field, Notice

    project, now = invocation.settings.project, invocation.clock.now()
    made = new_id("t", now, invocation.clock.random_bits(80))
    return Notice(
        id=made,
        key=f"mainspring:test:{made}",
        about=About.TEST,
        severity=Severity.NOTIFY,
        headline=f"[test] {project.name or 'mainspring'}: this channel works, nothing is wrong",
        fields=(
            Field("What", "somebody tries this channel"),
            Field("By", invocation.act.actor.name),
            Field("Do", "nothing"),
        ),
        environment=project.environment,
        project=project.name,
        at=now,
    )
