"""`mainspring monitors list|show`: judged at once from the store, by what a watcher would judge by now; no watcher has to run for it."""

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.incidents.findings import (
    finding_word,
    format_figure_in_zone,
    format_rule,
    label_figure,
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
"""Of so many automations a list reads the history; the others are unsure."""


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
    """Tell of what is set for nobody: a slip in a name would be obeyed by no monitor, and seen by no one."""
    for line in find_unknown_names(invocation, invocation.read(params.read_automation_names)):
        invocation.output.hint(line)


def find_unknown_names(invocation: Invocation, names: "Iterable[str]") -> list[str]:
    """Return a line for each name under `[monitors.of]` that fits none of these automations, with the nearest one."""
    from mainspring.domain.errors import UnknownNameError

    known = list(names)
    slips = [UnknownNameError("automation", one, known) for one in _automation_tunings(invocation).fit_nobody(known)]
    return [f"[monitors.of] is set for nobody: {one.message}{f'. {one.hint}' if one.hint else ''}" for one in slips]


def _read_facts(invocation: Invocation, now: int, about: str | None = None) -> "MonitorInputs":
    """Return what is there to judge by; of a store that is not there yet, nothing."""
    from mainspring.alerting.inputs.facts import FactsReader
    from mainspring.alerting.inputs.monitor_inputs import read_monitor_inputs
    from mainspring.config.due_secrets import read_due_secrets
    from mainspring.resources.known_secrets import KNOWN_SECRETS

    def seen(reader: "StoreReader") -> "MonitorInputs":
        known = FactsReader(reader, at_once=_MAX_HISTORIES, about=about, secrets=read_due_secrets(invocation.settings))
        return read_monitor_inputs(
            known,
            reader,
            now,
            tunings=_monitor_tunings(invocation),
            redact=KNOWN_SECRETS.redact,
            own=_automation_tunings(invocation),
        ).facts

    return invocation.read(seen)


def _evaluate_always(invocation: Invocation, kind: "IncidentKind", now: int) -> "list[Evaluation]":
    """Return what is said of what is always watched."""
    from mainspring.alerting.always_on import evaluate_always_on

    notify = invocation.settings.notify
    found = invocation.read(
        lambda reader: list(evaluate_always_on(kind, reader, now, notify.channels, notify.store_lost_after))
    )
    return sort_by_problem(found)


def _evaluate_monitor(
    invocation: Invocation, monitor: "Monitor", facts: "MonitorInputs", now: int
) -> "list[Evaluation]":
    """Return what a monitor says, what is wrong first."""
    from mainspring.domain.monitors.registry import evaluate_monitor

    return sort_by_problem(
        evaluate_monitor(monitor, facts, _monitor_tunings(invocation), now, _automation_tunings(invocation))
    )


def _make_row(kind: "IncidentKind", state: str, judged: "list[Evaluation]", line: str) -> MonitorRow:
    verdicts = [finding_word(one) for one in judged]
    return MonitorRow(kind.value, state, len(verdicts), verdicts.count("wrong"), verdicts.count("unsure"), line)


@command("list", "list monitors: what each judges, and what it finds now")
@short_lists.add_list_options("on", "off", most=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """JUDGED counts what it had figures of, UNSURE what cannot be judged yet. What failed and was told already is not found again:
    see the incidents. [monitors] of the configuration switches and tunes them, but the last two, which are always on.
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
        _make_row(kind, "on", _evaluate_always(invocation, kind, now), one.line) for kind, one in FIXED_MONITORS.items()
    ]
    rows = short_lists.filter_rows(
        invocation,
        rows,
        named=lambda row: row.name,
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
        TableColumn("JUDGED", lambda row: str(row.judged), right=True),
        TableColumn("FINDINGS", lambda row: str(row.findings), lambda row: "red" if row.findings else None, right=True),
        TableColumn("UNSURE", lambda row: str(row.unsure), right=True),
        TableColumn("WHAT", lambda row: row.line, cut=True),
    ]
    if invocation.output.is_json:
        invocation.output.json([row._asdict() for row in rows])
    else:
        invocation.output.rows(rows, columns, empty="No such monitor.")


@command("show", "show a monitor: each figure, and how the verdict follows")
@click.argument("name", type=MONITOR)
@click.argument("automation", type=params.AUTOMATION, required=False)
@params.limit_option
@pass_invocation
def show(invocation: Invocation, name: str, automation: str | None, limit: int) -> None:
    """Of every automation, what is wrong first, or of one, with all that was learned of it."""
    from mainspring.domain.incidents.incident import IncidentKind
    from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
    from mainspring.domain.monitors.registry import MONITORS

    kind = IncidentKind(short_lists.require_known_name("monitor", name, _monitor_names(None)))
    if automation is not None:
        short_lists.require_known_name("automation", automation, invocation.read(params.read_automation_names))
    now = invocation.clock.now()
    if kind in FIXED_MONITORS:
        found = _evaluate_always(invocation, kind, now)
        _print_monitor(invocation, FIXED_MONITORS[kind], found, limit, {}, FIXED_MONITORS[kind].why)
        return
    _warn_of_unknown_names(invocation)
    monitor, tuning = MONITORS[kind], _monitor_tunings(invocation)[kind]
    found = _evaluate_monitor(invocation, monitor, _read_facts(invocation, now, automation), now)
    table = "[monitors]"
    if automation is not None:
        found = [one for one in found if one.subject.automation == automation]
        if _automation_tunings(invocation).set_of(automation, kind):
            tuning, table = _automation_tunings(invocation).of(automation, kind, tuning), "[monitors.of]"
    note = f"It is off: {table} of the configuration." if not tuning.on else None
    if note is None and table != "[monitors]":
        note = f"{automation} has settings of its own: {table} of the configuration."
    _print_monitor(invocation, monitor, found, limit, _tuning_data(tuning), note)


def _tuning_data(tuning: "Tuning") -> dict[str, Any]:
    from mainspring.domain.values.plain_json import to_plain_json

    return {field: to_plain_json(getattr(tuning, field), field) for field in tuning.__struct_fields__}


def _print_monitor(
    invocation: Invocation,
    monitor: "Monitor | FixedMonitor",
    found: "list[Evaluation]",
    limit: int,
    set_to: dict[str, Any],
    note: str | None,
) -> None:
    """Tell of a monitor, and what it says of each; `note` = how it is switched."""
    from mainspring.domain.values.plain_json import to_plain_json

    name = monitor.kind.value
    data = {"name": name, "line": monitor.line, "rule": monitor.rule, "settings": set_to}
    judged = [
        {
            **to_plain_json(one.subject),
            "verdict": finding_word(one),
            "unsure": one.unsure,
            "figures": to_plain_json(one.figures),
        }
        | {"finding": to_plain_json(one.finding)}
        for one in found[:limit]
    ]

    def text() -> None:
        output = invocation.output
        output.line(f"{output.paint(name, None, bold=True)}  {monitor.line}")
        output.line(format_rule(monitor.rule))
        if set_to:
            output.line("  ".join(f"{field} = {value}" for field, value in set_to.items()))
        for one in found[:limit]:
            output.line("")
            _print_evaluation(invocation, one, invocation.clock.now())
        if len(found) > limit:
            output.hint(f"{len(found) - limit} more: --limit")
        if note is not None or not found:
            output.hint(note or "It has nothing to judge.")

    invocation.output.document(data | {"judged": judged}, text)


def _print_evaluation(invocation: Invocation, one: "Evaluation", now: int) -> None:
    output, verdict = invocation.output, finding_word(one)
    colour = {"wrong": "red", "unsure": "yellow"}.get(verdict, "green")
    of = " ".join(part for part in (one.subject.automation, one.subject.fingerprint) if part) or "Mainspring"
    said = one.unsure if one.finding is None else f"{one.finding.text} [{one.finding.severity}]"
    because = f": {formatting.escape_line(said)}" if said else ""
    output.line(f"{formatting.escape_line(of)}  {output.paint(verdict, colour)}{because}")
    width = max((len(label_figure(name)) for name in one.figures), default=0)
    for name, value in one.figures.items():
        output.line(
            f"  {label_figure(name):<{width}}  {formatting.escape_line(format_figure_in_zone(name, value, now, invocation.zone))}"
        )
