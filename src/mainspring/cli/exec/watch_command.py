"""The watch command, `mainspring watch`: the one extra line of a crontab."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from mainspring.app.exec.watch_round import OverdueAutomation, WatchReport, watch_once
from mainspring.app.setup.process_policy import apply_process_policy
from mainspring.cli.exits import CHECK_FAILED
from mainspring.cli.json_output import format_json
from mainspring.cli.lazy_group import FlaggedCommand
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.insight.text.formatting import escape_text, format_instant

HELP_LINE = "check all monitors once and send notifications: for a crontab without `up`"


@click.command("watch", cls=FlaggedCommand, short_help=HELP_LINE)
@click.option("--json", "as_json", is_flag=True, help="print results and findings as one JSON object")
@click.option(
    "--once",
    is_flag=True,
    hidden=True,
    help="no effect, accepted for older crontab lines: watch always makes one round",
)
@click.pass_context
def watch_command(ctx: click.Context, *, as_json: bool, once: bool) -> None:
    """check all monitors once and send notifications: for a crontab without `up`

    \b
      */5 * * * *  mainspring watch

    Makes one round and ends. It imports the records that wrapped commands wrote to the spool. If the process of a session on this host
    has ended, it declares the session dead. Then it checks each automation: one with a schedule (or --cron or --every of exec) must succeed
    within its period and grace, any other one as often as usual. It starts nothing.

    While one is late, each round prints a line for it on stderr, which cron mails, and the exit code is 9. Otherwise it prints nothing
    and the exit code is 0.

    Each finding is an incident, sent once through the channels of [notify]; without a channel it is printed once. After each round it pings
    the watchdog of [notify], unless a part of the project is stuck.
    """  # noqa: D301 - \b is for click, and the first line is a line of a list
    del once
    flags = getattr(ctx.obj, "flags", None)
    flag_settings = {
        "store.url": getattr(flags, "store", None),
        "project.environment": getattr(flags, "environment", None),
    }
    config = getattr(flags, "config", None)
    settings = load(
        env=os.environ,
        cwd=Path.cwd(),
        uid=os.getuid(),
        flags=flag_settings,
        config=None if config is None else Path(config),
    )
    apply_process_policy(settings)
    report = watch_once(settings, SystemClock())
    for line in _format_lines(report, settings.project.timezone):
        click.echo(line, err=True)
    if as_json or getattr(flags, "json", False):
        sys.stdout.write(format_json(_make_document(report)) + "\n")
    ctx.exit(CHECK_FAILED if report.silent or report.bad or report.spool_fault else 0)


def _format_lines(report: WatchReport, zone: str) -> list[str]:
    """Return the lines to print next to the notifications: each silent automation, whether people were notified or not."""
    lines = [_format_line(silent, zone) for silent in report.silent]
    lines += [
        f"spool: {escape_text(name)} cannot be read and was moved aside: read it, then delete it" for name in report.bad
    ]
    if report.spool_fault is not None:
        lines.append(f"{escape_text(report.spool_fault.text)}. Fix: {escape_text(report.spool_fault.fix)}")
    elif report.imported.left:
        lines.append(
            f"spool: {report.imported.left} not imported yet: {escape_text(report.imported.why or 'try again')}"
        )
    return lines


def _format_line(silent: OverdueAutomation, zone: str) -> str:
    last = "never" if silent.succeeded_at is None else f"{format_instant(silent.succeeded_at, zone)} {zone}"
    owner = f"; owner: {escape_text(silent.owner)}" if silent.owner else ""
    return f"{escape_text(silent.name)}: no success, expected {silent.expected}; the last one: {last}{owner}"


def _make_document(report: WatchReport) -> dict[str, Any]:
    return {
        "silent": to_plain_json(report.silent),
        "judged": report.evaluated_count,
        "taken_in": list(report.imported.runs),
        "left": report.imported.left,
        "bad": report.bad,
        "spool_fault": to_plain_json(report.spool_fault),
        "buried": report.dead_sessions,
    }
