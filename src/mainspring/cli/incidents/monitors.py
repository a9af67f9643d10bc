"""`mainspring monitors list|show`: evaluated at once from the store, with the inputs of a watcher. No watcher has to run."""

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.incidents.findings import (
    finding_word,
    format_metric_in_zone,
    format_rule,
    label_metric,
    sort_by_problem,
)
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.domain.incidents.incident import IncidentKind
    from mainspring.domain.monitors.fixed_monitors import FixedMonitor
    from mainspring.domain.monitors.inputs import MonitorInputs
    from mainspring.domain.monitors.monitor import Evaluation, Monitor
    from mainspring.domain.monitors.tuning import Tuning
    from mainspring.domain.monitors.tuning_overrides import TuningOverrides
    from mainspring.store.base import StoreReader

_MAX_HISTORIES = 2_000
"""A list reads the history of this many automations; the others are unsure."""


class MonitorRow(NamedTuple):
    """A monitor in the list."""

    name: str
    state: str
    judged: int
    findings: int
    unsure: int
    line: str


def _monitor_names(_: object) -> list[str]:
    from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
    from mainspring.domain.monitors.registry import MONITORS

    return [kind.value for kind in (*MONITORS, *FIXED_MONITORS)]


MONITOR = params.StoredNameType(_monitor_names, "monitor")


def _monitor_tunings(invocation: Invocation) -> "dict[Any, Tuning]":
    from mainspring.config.monitor_settings import read_tunings

    return read_tunings(invocation.settings.monitors)


def _automation_tunings(invocation: Invocation) -> "TuningOverrides":
    from mainspring.config.monitor_settings import read_tuning_overrides

    return read_tuning_overrides(invocation.settings.monitors)


def _warn_of_unknown_names(invocation: Invocation) -> None:
    """Warn of settings for unknown automations: no monitor would obey a misspelt name, and no one would notice."""
    for line in find_unknown_names(invocation, invocation.read(params.read_automation_names)):
        invocation.output.hint(line)


def find_unknown_names(invocation: Invocation, names: "Iterable[str]") -> list[str]:
    """Return a line for each name under `[monitors.of]` that matches none of these automations, with the nearest one."""
    from mainspring.domain.errors import UnknownNameError

    known = list(names)
    errors = [
        UnknownNameError("automation", name, known) for name in _automation_tunings(invocation).find_unmatched(known)
    ]
    return [
        f"[monitors.of] matches no automation: {error.message}{f'. {error.hint}' if error.hint else ''}"
        for error in errors
    ]


def _read_facts(invocation: Invocation, now: int, about: str | None = None) -> "MonitorInputs":
    """Return the inputs of monitors; without a store, an error."""
    from mainspring.alerting.inputs.facts import FactsReader
    from mainspring.alerting.inputs.monitor_inputs import read_monitor_inputs
    from mainspring.config.due_secrets import read_due_secrets
    from mainspring.resources.known_secrets import KNOWN_SECRETS

    def read_inputs(reader: "StoreReader") -> "MonitorInputs":
        facts_reader = FactsReader(
            reader, at_once=_MAX_HISTORIES, about=about, secrets=read_due_secrets(invocation.settings)
        )
        return read_monitor_inputs(
            facts_reader,
            reader,
            now,
            tunings=_monitor_tunings(invocation),
            redact=KNOWN_SECRETS.redact,
            own=_automation_tunings(invocation),
        ).facts

    return invocation.read(read_inputs)


def _evaluate_always(invocation: Invocation, kind: "IncidentKind", now: int) -> "list[Evaluation]":
    """Return the evaluations of a monitor that is always on."""
    from mainspring.alerting.always_on import evaluate_always_on

    notify = invocation.settings.notify
    evaluations = invocation.read(
        lambda reader: list(evaluate_always_on(kind, reader, now, notify.channels, notify.store_lost_after))
    )
    return sort_by_problem(evaluations)


def _evaluate_monitor(
    invocation: Invocation, monitor: "Monitor", facts: "MonitorInputs", now: int
) -> "list[Evaluation]":
    """Return the evaluations of a monitor, problems first."""
    from mainspring.domain.monitors.registry import evaluate_monitor

    return sort_by_problem(
        evaluate_monitor(monitor, facts, _monitor_tunings(invocation), now, _automation_tunings(invocation))
    )


def _make_row(kind: "IncidentKind", state: str, evaluations: "list[Evaluation]", line: str) -> MonitorRow:
    verdicts = [finding_word(evaluation) for evaluation in evaluations]
    return MonitorRow(kind.value, state, len(verdicts), verdicts.count("failing"), verdicts.count("unsure"), line)


@command("list", "list monitors: what each evaluates, and what it finds now")
@short_lists.add_list_options("on", "off", default_limit=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """EVALUATED counts the automations with enough data, UNSURE those without. A failure that has an incident is not found again: see the
    incidents.

    [monitors] in the configuration tunes all monitors and turns them off, except the last two, which are always on.
    """
    from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
    from mainspring.domain.monitors.registry import MONITORS

    now, tunings = invocation.clock.now(), _monitor_tunings(invocation)
    facts = _read_facts(invocation, now)
    _warn_of_unknown_names(invocation)
    rows = []
    for kind, monitor in MONITORS.items():
        state = "on" if tunings[kind].on else "off"
        rows.append(_make_row(kind, state, _evaluate_monitor(invocation, monitor, facts, now), monitor.line))
    rows += [
        _make_row(kind, "on", _evaluate_always(invocation, kind, now), fixed_monitor.line)
        for kind, fixed_monitor in FIXED_MONITORS.items()
    ]
    rows = short_lists.filter_rows(
        invocation,
        rows,
        name_of=lambda row: row.name,
        state=lambda row: row.state,
        at=lambda _: None,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("MONITOR", lambda row: row.name),
        TableColumn("STATE", lambda row: row.state, lambda row: "green" if row.state == "on" else "yellow"),
        TableColumn("EVALUATED", lambda row: str(row.judged), right=True),
        TableColumn("FINDINGS", lambda row: str(row.findings), lambda row: "red" if row.findings else None, right=True),
        TableColumn("UNSURE", lambda row: str(row.unsure), right=True),
        TableColumn("WHAT", lambda row: row.line, cut=True),
    ]
    if invocation.output.is_json:
        invocation.output.json([row._asdict() for row in rows])
    else:
        invocation.output.rows(rows, columns, empty="No such monitor.")


@command("show", "show a monitor: each value, and the verdict")
@click.argument("name", type=MONITOR)
@click.argument("automation", type=params.AUTOMATION, required=False)
@params.limit_option
@pass_invocation
def show(invocation: Invocation, name: str, automation: str | None, limit: int) -> None:
    """Shows all automations, failing ones first; or one automation, with everything that was learned about it."""
    from mainspring.domain.incidents.incident import IncidentKind
    from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
    from mainspring.domain.monitors.registry import MONITORS

    kind = IncidentKind(short_lists.require_known_name("monitor", name, _monitor_names(None)))
    if automation is not None:
        short_lists.require_known_name("automation", automation, invocation.read(params.read_automation_names))
    now = invocation.clock.now()
    if kind in FIXED_MONITORS:
        evaluations = _evaluate_always(invocation, kind, now)
        _print_monitor(invocation, FIXED_MONITORS[kind], evaluations, limit, {}, FIXED_MONITORS[kind].why)
        return
    _warn_of_unknown_names(invocation)
    monitor, tuning = MONITORS[kind], _monitor_tunings(invocation)[kind]
    evaluations = _evaluate_monitor(invocation, monitor, _read_facts(invocation, now, automation), now)
    table = "[monitors]"
    if automation is not None:
        evaluations = [evaluation for evaluation in evaluations if evaluation.subject.automation == automation]
        if _automation_tunings(invocation).set_of(automation, kind):
            tuning, table = _automation_tunings(invocation).of(automation, kind, tuning), "[monitors.of]"
    note = f"It is off: see {table} in the configuration." if not tuning.on else None
    if note is None and table != "[monitors]":
        note = f"{automation} has its own settings: {table} in the configuration."
    _print_monitor(invocation, monitor, evaluations, limit, _tuning_data(tuning), note)


def _tuning_data(tuning: "Tuning") -> dict[str, Any]:
    from mainspring.domain.values.plain_json import to_plain_json

    return {field: to_plain_json(getattr(tuning, field), field) for field in tuning.__struct_fields__}


def _print_monitor(
    invocation: Invocation,
    monitor: "Monitor | FixedMonitor",
    evaluations: "list[Evaluation]",
    limit: int,
    settings: dict[str, Any],
    note: str | None,
) -> None:
    """Print a monitor and its evaluations; `note` = how it is switched."""
    from mainspring.domain.values.plain_json import to_plain_json

    name = monitor.kind.value
    data = {"name": name, "line": monitor.line, "rule": monitor.rule, "settings": settings}
    rows = [
        {
            **to_plain_json(evaluation.subject),
            "verdict": finding_word(evaluation),
            "unsure": evaluation.unsure,
            "figures": to_plain_json(evaluation.figures),
        }
        | {"finding": to_plain_json(evaluation.finding)}
        for evaluation in evaluations[:limit]
    ]

    def print_text() -> None:
        output = invocation.output
        output.line(f"{output.paint(name, None, bold=True)}  {monitor.line}")
        output.line(format_rule(monitor.rule))
        if settings:
            output.line("  ".join(f"{field} = {value}" for field, value in settings.items()))
        for evaluation in evaluations[:limit]:
            output.line("")
            _print_evaluation(invocation, evaluation, invocation.clock.now())
        if len(evaluations) > limit:
            output.hint(f"{len(evaluations) - limit} more: --limit")
        if note is not None or not evaluations:
            output.hint(note or "It has nothing to evaluate.")

    invocation.output.document(data | {"judged": rows}, print_text)


def _print_evaluation(invocation: Invocation, evaluation: "Evaluation", now: int) -> None:
    output, verdict = invocation.output, finding_word(evaluation)
    colour = {"failing": "red", "unsure": "yellow"}.get(verdict, "green")
    subject_text = (
        " ".join(part for part in (evaluation.subject.automation, evaluation.subject.fingerprint) if part)
        or "Mainspring"
    )
    reason = (
        evaluation.unsure
        if evaluation.finding is None
        else f"{evaluation.finding.text} [{evaluation.finding.severity}]"
    )
    reason_text = f": {formatting.escape_line(reason)}" if reason else ""
    output.line(f"{formatting.escape_line(subject_text)}  {output.paint(verdict, colour)}{reason_text}")
    width = max((len(label_metric(name)) for name in evaluation.figures), default=0)
    for name, value in evaluation.figures.items():
        output.line(
            f"  {label_metric(name):<{width}}  {formatting.escape_line(format_metric_in_zone(name, value, now, invocation.zone))}"
        )
