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


@command("pause", "pause an automation: it starts no runs")
@click.argument("name", type=params.AUTOMATION)
@click.option("--for", "span", metavar="TIME", help="pause for this long, or until this time: 2h, 2026-01-05T03:00")
@pass_invocation
def pause(invocation: Invocation, name: str, span: str | None) -> None:
    """A run that a worker holds continues. A run that waits or retries continues after the pause. `mainspring explain` shows --reason."""
    from mainspring.service.automation import pause as pause_automation

    now = invocation.clock.now()
    until_at = None if span is None else parse_instant(span, now, invocation.zone, back=False)
    pause_automation(invocation.store, _require_name(invocation, name), act=invocation.act, until_at=until_at)
    until = "" if until_at is None else f" until {formatting.format_moment(until_at, now, invocation.zone)}"
    invocation.output.document({"name": name, "paused": True, "until_at": until_at}, f"{name} is paused{until}.")


@command("resume", "resume an automation that is paused or retired")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def resume(invocation: Invocation, name: str) -> None:
    """The misfire= option of the automation decides on slots that were due during the pause."""
    from mainspring.service.automation import resume as resume_automation

    resume_automation(invocation.store, _require_name(invocation, name), act=invocation.act)
    invocation.output.document({"name": name, "paused": False}, f"{name} is resumed.")


@command("retire", "retire an automation: end its schedules and monitoring")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def retire(invocation: Invocation, name: str) -> None:
    """Its schedules end, and its silence opens no incident. Its history stays, and its failed runs still need a decision. Needs -y.

    An unfinished run continues if a worker has its code; otherwise it waits. Cancel it if no one needs it.
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
