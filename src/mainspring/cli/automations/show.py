"""Show one automation: who, when, where, how, success, watch. Options have the names of domain.options."""

from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from mainspring.cli.automations.automation_list import (
    HEALTH_COLOURS,
    KnownAutomation,
    format_state,
    make_row,
    read_health,
)
from mainspring.cli.automations.cadence import format_cadence, read_cadences
from mainspring.domain.derived_states import AutomationState
from mainspring.insight.automations.option_list import format_option, list_option_rows
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation
    from mainspring.insight.automations.trust import Trust
    from mainspring.store.base import StoreReader
    from mainspring.store.views import RunRow

_MAX_RUNS = 10
_MAX_CAUSES = 3
CLOCK_CHANGE_POLICY = (
    "when the clock goes forward: the first instant after the gap; when it goes back: once, at the "
    "first time; intervals count elapsed time"
)
"""The effect of clock changes on slots: the only policy."""


def print_automation(invocation: "Invocation", known: KnownAutomation) -> None:
    """Print one automation."""
    from mainspring.domain.values.plain_json import to_plain_json
    from mainspring.insight.text.hidden_values import hide_in_command, hide_in_data

    now, definition = invocation.clock.now(), known.definition
    rows: list[RunRow] = invocation.rows_if_made(lambda reader: _read_last_runs(reader, known.name))
    runs = invocation.unseal(lambda unsealer: [unsealer.row(row) for row in rows])
    invocation.secrets.hide_all()
    rows_of = list_option_rows(definition) if definition else []
    options: list[dict[str, Any]] = [asdict(row) | {"value": hide_in_data(to_plain_json(row.value))} for row in rows_of]
    automation_health = read_health(invocation, [known], now, is_single=True).get(known.name)
    data = make_row(known, automation_health, now) | {
        "where": definition.where if definition else None,
        "command": hide_in_command(definition.command) if definition else None,
        "parameters": definition.parameters if definition else None,
        "actions": definition.actions if definition else (),
        "options": {row["name"]: row["value"] for row in options},
        "set": [row["name"] for row in options if row["set"]],
        "versions": _read_versions(invocation, known.name),
        "cadence": read_cadences(invocation, known, now),
        "trust": _read_trust(invocation, known, now),
        "runs": runs,
    }
    invocation.output.document(data, lambda: _print(invocation, known, data, options, now))


def _read_versions(invocation: "Invocation", name: str) -> list[int]:
    """Return the versions of an automation that workers have announced."""
    from mainspring.store.read.rollouts import list_versions

    return invocation.read_if_made(lambda reader: [row.version for row in list_versions(reader, name)], [])


def _read_trust(invocation: "Invocation", known: KnownAutomation, now: int) -> "Trust | None":
    """Return its trustworthiness; None if no worker announced it."""
    from mainspring.insight.automations.trust import read_trust

    return (
        None
        if known.view is None
        else invocation.read_if_made(lambda reader: read_trust(reader, known.name, now), None)
    )


def _read_last_runs(reader: "StoreReader", name: str) -> "list[RunRow]":
    from mainspring.store.read.runs.run_views import list_runs

    return list_runs(reader, name=name, limit=_MAX_RUNS).runs


def _print(
    invocation: "Invocation", known: KnownAutomation, data: dict[str, Any], options: list[dict[str, Any]], now: int
) -> None:
    output, view = invocation.output, known.view
    state = output.paint(format_state(data["state"]), HEALTH_COLOURS.get(data["state"]))
    output.line(f"{output.paint(formatting.escape_line(known.name), None, bold=True)}  {data['kind']}  {state}")
    if data["why"] and data["state"] in (AutomationState.LATE, AutomationState.SILENT, AutomationState.LEARNING):
        output.line(f"  state     {formatting.escape_line(data['why'], 200)}")
    _print_definition(invocation, known, data)
    _print_times(invocation, known, data)
    _print_trust(invocation, data["trust"])
    slot = data["next_at"]
    if slot is not None:
        output.line(f"  next      {formatting.format_moment(slot, now, invocation.zone)}")
    if view is not None and view.paused_at is not None:
        reason_text = f": {formatting.escape_line(view.pause_reason)}" if view.pause_reason else ""
        until = (
            ""
            if view.paused_until is None
            else f" until {formatting.format_moment(view.paused_until, now, invocation.zone)}"
        )
        output.line(
            f"  paused    {formatting.format_distance(view.paused_at, now)}{until} by {formatting.escape_line(view.paused_by)}{reason_text}"
        )
    if known.problem:
        output.line(output.paint(f"  problem   {formatting.escape_line(known.problem)}", "red"))
    group = None
    for row in options:
        if row["group"] != group:
            group = row["group"]
            output.line(output.paint(group, None, bold=True))
        output.line(f"  {row['name']:<11} {_format_option(row)}")
    from mainspring.store.read.short_ids import IdKind

    short_ids = invocation.short_ids(IdKind.RUN, (run.id for run in data["runs"]))
    for run in data["runs"]:
        state = output.paint(f"{formatting.format_state(run.state):<18}", formatting.COLOURS[run.state])
        output.line(f"  {state}{short_ids[run.id]}  {formatting.format_distance(run.created_at, now)}")


def _print_definition(invocation: "Invocation", known: KnownAutomation, data: dict[str, Any]) -> None:
    """Print its definition, and what starts it."""
    output, definition = invocation.output, known.definition
    if definition is not None:
        if definition.doc:
            output.line(f"  {formatting.escape_line(definition.doc, 200)}")
        if definition.guide:
            output.line("  runbook:")
            for line in definition.guide.splitlines():
                output.line(f"    {formatting.escape_text(line)}")
        output.line(f"  declared  {formatting.escape_line(definition.where)}")
        if len(data["versions"]) > 1:
            known_versions = ", ".join(map(str, data["versions"]))
            output.line(f"  versions  {known_versions}; {data['version']} is in force")
        if data["command"]:
            output.line(f"  command   {formatting.escape_line(' '.join(data['command']), 200)}")
        if definition.parameters.get("properties"):
            output.line(f"  takes     {formatting.escape_line(', '.join(definition.parameters['properties']), 200)}")
        if definition.actions:
            output.line(f"  actions   {formatting.escape_line(', '.join(definition.actions), 200)}")
    if data["schedule"] or not data["triggers"]:
        output.line(f"  starts    {formatting.escape_line(data['schedule'] or '-', 200)}")
    for end, source in data["triggers"].items():
        control_text = ", ".join(definition.triggers[end].pace.words()) if definition is not None else ""
        output.line(f"  starts    {formatting.escape_line(source, 200)}{f' ({control_text})' if control_text else ''}")


def _print_times(invocation: "Invocation", known: KnownAutomation, data: dict[str, Any]) -> None:
    """Print the punctuality of its schedules, and the effect of clock changes."""
    output, schedules = invocation.output, known.definition.schedules if known.definition is not None else ()
    for line in data["cadence"]:
        text = f"  cadence   {format_cadence(line)}"
        output.line(output.paint(text, "yellow") if line["slips"] else text)
    if any(schedule.has_time_of_day for schedule in schedules):
        output.line(f"  clocks    {CLOCK_CHANGE_POLICY}")


def _print_trust(invocation: "Invocation", trust: "Trust | None") -> None:
    """Print its trustworthiness, and the causes that came back."""
    from mainspring.insight.automations.trust import describe_trust

    if trust is None:
        return
    invocation.output.line(f"  trust     {describe_trust(trust)}")
    for cause in trust.causes[:_MAX_CAUSES]:
        cause_text = f"{cause.kind} came back {formatting.format_count(cause.times, 'time')}: {formatting.escape_line(cause.text, 100)}"
        invocation.output.line(f"            {cause_text}  ({cause.incident})")


def _format_option(row: dict[str, Any]) -> str:
    if row["effect"]:
        return str(row["effect"])
    text = format_option(row["value"])
    return formatting.escape_line(text, 200) if row["set"] else f"({formatting.escape_line(text, 200)})"
