"""`mainspring triggers show`: a trigger with its held deliveries, or one delivery as it arrived."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.triggers.trigger_list import STATE_COLOURS, TRIGGER, find_trigger_name, read_trigger_lines
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.states import DeliveryState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.triggers.trigger import Trigger
    from mainspring.insight.triggers.joined_runs import JoinedRunsView
    from mainspring.insight.triggers.trigger_list import TriggerLine
    from mainspring.store.trigger_views import DeliveryRow, HeldGroup

_MAX_DELIVERIES = 10
_MAX_TEXT_LENGTH = 200
DELIVERY_COLOURS = {
    DeliveryState.RECEIVED: "white",
    DeliveryState.HELD: "blue",
    DeliveryState.STARTED: "green",
    DeliveryState.FILTERED: "white",
    DeliveryState.DROPPED: "white",
    DeliveryState.REFUSED: "yellow",
    DeliveryState.FAILED: "red",
}


@command("show", "show a trigger with its deliveries, or one delivery")
@click.argument("name", type=TRIGGER, metavar="NAME|DELIVERY")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=_MAX_DELIVERIES,
    show_default=True,
    help="show at most N deliveries",
)
@pass_invocation
def show(invocation: Invocation, name: str, limit: int) -> None:
    """NAME is a trigger (build-bot/webhook), or an automation with one trigger. Headers with a secret or a signature are not printed."""
    from mainspring.store.read.short_ids import IdKind, ids_ending
    from mainspring.triggers.trigger_cache import TriggerCache

    triggers = TriggerCache(invocation.reader)
    lines = {line.name: line for line in read_trigger_lines(invocation, triggers)}
    if name.startswith("d_") or (name not in lines and ids_ending(invocation.reader, IdKind.DELIVERY, name)):
        from mainspring.cli.triggers.delivery import print_delivery

        print_delivery(invocation, name)
        return
    line = lines[find_trigger_name(lines, name)]
    cached = triggers.get(line.name)
    _print_trigger(invocation, line, cached.trigger if cached is not None else None, limit)


def _print_trigger(invocation: Invocation, line: "TriggerLine", trigger: "Trigger | None", limit: int) -> None:
    from mainspring.domain.triggers.event_sources import JoinedRunsSource
    from mainspring.insight.triggers.joined_runs import list_joined_runs
    from mainspring.store.read.triggers import deliveries, held_groups

    source: Any = trigger.source if trigger is not None else None
    joins: list[JoinedRunsView] = []
    if isinstance(source, JoinedRunsSource):
        zone = invocation.zone
        joins = list_joined_runs(invocation.reader, line.name, source, invocation.clock.now(), zone)
    held = held_groups(invocation.reader, line.name)
    rows = deliveries(invocation.reader, trigger=line.name, limit=limit).deliveries
    data = {
        **msgspec.structs.asdict(line),
        "definition": None if trigger is None else msgspec.to_builtins(trigger),
        "waits_for": joins,
        "held": held,
        "deliveries": rows,
    }
    per = source.per if isinstance(source, JoinedRunsSource) else ""
    invocation.output.document(data, lambda: _print(invocation, line, trigger, (joins, per), held, rows))


def _print(
    invocation: Invocation,
    line: "TriggerLine",
    trigger: "Trigger | None",
    waiting: "tuple[list[JoinedRunsView], str]",
    held: "list[HeldGroup]",
    rows: "list[DeliveryRow]",
) -> None:
    from mainspring.insight.automations.source_description import describe_given
    from mainspring.insight.triggers.joined_runs import describe_joined_runs
    from mainspring.insight.triggers.trigger_list import flow_control_text, received_text

    output, now = invocation.output, invocation.clock.now()
    name = output.paint(formatting.escape_line(line.name), None, bold=True)
    output.line(f"{name}  {output.paint(line.state, STATE_COLOURS[line.state])}")
    if line.why is not None:
        # For a listening trigger, the time is known since which it listens, not since which it has a problem.
        since_at = None if line.state is TriggerState.LISTENING else line.since_at
        since = "" if since_at is None else f" since {formatting.format_moment(since_at, now, invocation.zone)}"
        output.line(f"  why       {formatting.escape_line(line.why)}{since}")
    output.line(f"  source    {line.listens_to}")
    output.line(f"  starts    {formatting.escape_line(line.automation)}{describe_given(trigger)}")
    output.line(f"  limits    {formatting.escape_line(flow_control_text(line))}")
    output.line(f"  filter    {'a function of the automation, called in a worker' if line.filtered else '-'}")
    if line.curl is not None:
        output.line(f"  send      {line.curl}")
    output.line(f"  24h       {received_text(line)}")
    joins, per = waiting
    for join in joins:
        text = describe_joined_runs(join, per, now, invocation.zone)
        output.line(f"  waits     {output.paint(formatting.escape_line(text), 'red' if join.is_late else None)}")
    for group in held:
        key_text = f" of {formatting.escape_line(group.by_key, 60)!r}" if group.by_key else ""
        due = formatting.format_moment(group.due_at, now, invocation.zone)
        output.line(
            f"  held      {formatting.format_count(group.number, 'delivery', 'deliveries')}{key_text}, due {due}"
        )
    _print_rows(invocation, rows, now)


def _print_rows(invocation: Invocation, rows: "list[DeliveryRow]", now: int) -> None:
    from mainspring.store.read.short_ids import IdKind

    output = invocation.output
    short_ids = invocation.short_ids(IdKind.DELIVERY, (row.id for row in rows))
    runs = invocation.short_ids(IdKind.RUN, (row.run for row in rows if row.run))
    if not rows:
        output.line("  nothing has arrived yet")
    for row in rows:
        state = output.paint(f"{row.state.value:<9}", DELIVERY_COLOURS[row.state])
        parts = [row.verified and f"sender {row.verified}", row.run and f"run {runs[row.run]}", row.note]
        details = "; ".join(formatting.escape_line(part, _MAX_TEXT_LENGTH) for part in parts if part)
        output.line(
            f"  {state} {short_ids[row.id]}  {formatting.format_distance(row.received_at, now):<10}  {details}".rstrip()
        )
