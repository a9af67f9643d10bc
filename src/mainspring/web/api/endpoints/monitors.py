"""Monitors: list them with their findings, and show one with its inputs, its settings and its evaluations."""

from typing import Any

import msgspec

from mainspring.alerting.always_on import evaluate_always_on
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.monitor_inputs import read_monitor_inputs
from mainspring.config.due_secrets import read_due_secrets
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import MONITORS, evaluate_monitor
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.bodies import Limit, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route


class MonitorLine(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor: how many subjects it evaluated, how many of them are failing, and how many are unsure."""

    name: str
    line: str
    on: bool
    judged: int
    failing: int
    unsure: int


class MonitorQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evaluations of this automation alone, with all its baselines."""

    automation: Word | None = None
    limit: Limit = 100


class MonitorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor, its settings and its evaluations, failing ones first. Neither `finding` nor `unsure` = healthy."""

    name: str
    line: str
    rule: str
    settings: dict[str, Any]
    judged: list[Evaluation]


def list_monitors(call: AnyApiCall) -> Page[MonitorLine]:
    """List monitors: what each evaluates, and what it finds now."""
    facts = _read_facts(call, None)
    tunings = read_tunings(call.site.settings.monitors)
    lines = []
    for kind, monitor in (MONITORS | FIXED_MONITORS).items():
        evaluations = _evaluate(call, kind, facts)
        finding_count = sum(evaluation.finding is not None for evaluation in evaluations)
        unsure = sum(evaluation.finding is None and evaluation.unsure is not None for evaluation in evaluations)
        lines.append(
            MonitorLine(
                name=kind.value,
                line=monitor.line,
                on=kind in FIXED_MONITORS or tunings[kind].on,
                judged=len(evaluations),
                failing=finding_count,
                unsure=unsure,
            )
        )
    return Page(lines)


def show_monitor(call: ApiCall[MonitorQuery, None]) -> MonitorDetail:
    """Show a monitor: each value that it evaluates, and its verdict."""
    name, query = call.names["monitor"], call.query
    known = MONITORS | FIXED_MONITORS
    kind = next((kind for kind in known if kind.value == name), None)
    if kind is None:
        call.missing("monitor", name)
    evaluations = [
        evaluation
        for evaluation in _evaluate(call, kind, _read_facts(call, query.automation))
        if query.automation in (None, evaluation.subject.automation)
    ]
    return MonitorDetail(
        name=name,
        line=known[kind].line,
        rule=known[kind].rule,
        settings=_read_settings(call, kind, query.automation),
        judged=evaluations[: query.limit],
    )


def _read_settings(call: AnyApiCall, kind: IncidentKind, automation: str | None) -> dict[str, Any]:
    """Return the settings in force for all automations, or for one; a monitor that is always on has none."""
    if kind in FIXED_MONITORS:
        return {}
    monitors = call.site.settings.monitors
    tuning = read_tunings(monitors)[kind]
    if automation is not None:
        tuning = read_tuning_overrides(monitors).of(automation, kind, tuning)
    return {field: to_plain_json(getattr(tuning, field), field) for field in tuning.__struct_fields__}


def _read_facts(call: AnyApiCall, automation: str | None) -> MonitorInputs:
    site, now = call.site, call.site.clock.now()
    secrets = read_due_secrets(site.settings)
    tunings, own = read_tunings(site.settings.monitors), read_tuning_overrides(site.settings.monitors)
    if automation is None:
        return site.monitor_inputs.read(site.reader, now, tunings=tunings, own=own, secrets=secrets).facts
    facts_reader = FactsReader(site.reader, about=automation, secrets=secrets)
    return read_monitor_inputs(
        facts_reader, site.reader, now, tunings=tunings, redact=KNOWN_SECRETS.redact, own=own
    ).facts


def _evaluate(call: AnyApiCall, kind: IncidentKind, facts: MonitorInputs) -> list[Evaluation]:
    """Return the evaluations of a monitor, failing ones first."""
    settings, now = call.site.settings, call.site.clock.now()
    if kind in FIXED_MONITORS:
        evaluations = evaluate_always_on(
            kind, call.site.reader, now, settings.notify.channels, settings.notify.store_lost_after
        )
    else:
        own = read_tuning_overrides(settings.monitors)
        evaluations = evaluate_monitor(MONITORS[kind], facts, read_tunings(settings.monitors), now, own)
    return sorted(
        evaluations, key=lambda evaluation: (evaluation.finding is None, evaluation.unsure is None, evaluation.subject)
    )


ROUTES = (
    get_route("monitors.listed", "/monitors", list_monitors, Page[MonitorLine], whole=True),
    get_route("monitors.shown", "/monitors/{monitor}", show_monitor, MonitorDetail, query=MonitorQuery, whole=True),
)
