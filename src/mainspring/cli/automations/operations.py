"""Operations on automations: `mainspring auto pause|resume|retire`."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.short_lists import require_known_name
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant


def _require_name(invocation: Invocation, name: str) -> str:
    return require_known_name("automation", name, params.read_automation_names(invocation.reader))


@command("pause", "start nothing of it for a while")
@click.argument("name", type=params.AUTOMATION)
@click.option("--for", "span", metavar="TIME", help="so long, or until then: 2h, 2026-01-05T03:00")
@pass_invocation
def pause(invocation: Invocation, name: str, span: str | None) -> None:
    """A run that a worker holds continues. One that waits or is to retry continues after the pause.

    Say why with --reason: explain shows it.
    """
    from mainspring.service.automation import pause as pause_automation

    now = invocation.clock.now()
    until_at = None if span is None else parse_instant(span, now, invocation.zone, back=False)
    pause_automation(invocation.store, _require_name(invocation, name), act=invocation.act, until_at=until_at)
    until = "" if until_at is None else f" until {formatting.format_moment(until_at, now, invocation.zone)}"
    invocation.output.document({"name": name, "paused": True, "until_at": until_at}, f"{name} is paused{until}.")


@command("resume", "take a pause or a retirement back")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def resume(invocation: Invocation, name: str) -> None:
    """Slots that were due meanwhile follow the automation's `misfire`."""
    from mainspring.service.automation import resume as resume_automation

    resume_automation(invocation.store, _require_name(invocation, name), act=invocation.act)
    invocation.output.document({"name": name, "paused": False}, f"{name} goes on.")


@command("retire", "declare it gone for good, so that nobody misses it")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def retire(invocation: Invocation, name: str) -> None:
    """Its schedules end and no incident is made of its silence. Its history stays, and its failed runs still need a decision. Wants -y.

    A run that has not ended continues where a worker has its code, and waits otherwise: cancel it, if no one needs it.
    """
    from mainspring.insight.runs.unresolved_failures import undecided_runs_text
    from mainspring.insight.status.stuck_work import RetiredRuns, describe_retirement, find_retired_halt
    from mainspring.service.automation import retire as retire_automation
    from mainspring.store.read.runs import unresolved_runs
    from mainspring.store.read.status import status

    name = _require_name(invocation, name)
    invocation.confirm(f"Retire {name}")
    retire_automation(invocation.store, name, act=invocation.act)
    reader = invocation.store.reader
    undecided, unended = (
        unresolved_runs.undecided_failures(reader, [name]),
        unresolved_runs.count_unfinished_runs(reader, name),
    )
    lines = [f"{name} is retired."]
    if undecided.number:
        lines[0] += f" {undecided_runs_text(undecided)}: mainspring failed discard --name {name}"
    if unended.number:
        (view,) = status.automations(reader, name)
        halt = find_retired_halt(view, status.sessions(reader, limit=1_000), invocation.clock.now())
        lines.append(describe_retirement(RetiredRuns(name, unended, halt)))
    document = {"name": name, "retired": True, "undecided": undecided.number, "unended": unended.number}
    invocation.output.document(document, "\n".join(lines))
