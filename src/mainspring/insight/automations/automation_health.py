"""Health of automations at an instant: on time, late, silent, learning, paused. The same monitors that open incidents decide it."""

from collections.abc import Iterable

import msgspec

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, NO_OVERRIDES, TuningTable, evaluate_monitor
from mainspring.domain.monitors.timing.silence import find_expected_success
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.text.phrases import format_span
from mainspring.insight.text.formatting import format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import incidents

HEALTH_MONITORS = (
    IncidentKind.SILENCE,
    IncidentKind.LATE_START,
    IncidentKind.FAIL_RATE,
    IncidentKind.TOO_SLOW,
    IncidentKind.TOO_FAST,
    IncidentKind.DID_NOTHING,
)
"""Monitors whose evaluation depends on one automation only."""
_WHEN = (IncidentKind.SILENCE, IncidentKind.LATE_START)


class AutomationHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`since_at` = since when it is in this state, if known; `why` in words.

    `due_at` = when the next success is due, `late_at` = when it counts as missed; `silence` = the rule in words; `judged` = the evaluations
    of monitors.
    """

    state: AutomationState
    since_at: int | None = None
    why: str = ""
    due_at: int | None = None
    late_at: int | None = None
    last_good_at: int | None = None
    silence: str = "-"
    judged: tuple[Evaluation, ...] = ()


def read_automation_health(
    reader: StoreReader,
    names: Iterable[str],
    now: int,
    tunings: TuningTable = DEFAULT_TUNINGS,
    own: TuningOverrides = NO_OVERRIDES,
    *,
    is_single: bool = False,
) -> dict[str, AutomationHealth]:
    """Return the health of each at the instant `now` (ms); `is_single` = it is one, for which all baselines and all monitors are read."""
    automation_names = list(names)
    if not automation_names:
        return {}
    facts = (
        _read_facts_of_one(reader, automation_names[0], now, tunings, own)
        if is_single
        else _read_facts_of_many(reader, automation_names, now)
    )
    kinds = HEALTH_MONITORS if is_single else _WHEN
    evaluations: dict[str, list[Evaluation]] = {}
    for kind in kinds:
        for evaluation in evaluate_monitor(MONITORS[kind], facts, tunings, now, own):
            evaluations.setdefault(evaluation.subject.automation, []).append(evaluation)
    return {
        automation.name: _build_health(automation, evaluations.get(automation.name, []), now)
        for automation in facts.automations
    }


def _read_facts_of_many(reader: StoreReader, names: list[str], now: int) -> MonitorInputs:
    return FactsReader(reader, at_once=None).read_of(names, now)


def _read_facts_of_one(
    reader: StoreReader, name: str, now: int, tunings: TuningTable, own: TuningOverrides
) -> MonitorInputs:
    """Return all facts for one automation, as a watcher reads them: an open incident needs stricter evidence to resolve."""
    general = tunings.get(IncidentKind.FAIL_RATE, FailRateTuning())
    tuning = own.of(name, IncidentKind.FAIL_RATE, general)
    window = tuning.window if isinstance(tuning, FailRateTuning) else FailRateTuning().window
    open_subjects = [incident.subject for incident in incidents(reader, automation=name)]
    return FactsReader(reader, at_once=None, about=name).read_of([name], now, window=window, open=open_subjects)


def _build_health(automation: WatchedAutomation, evaluations: list[Evaluation], now: int) -> AutomationHealth:
    by_kind = {evaluation.subject.kind: evaluation for evaluation in evaluations}
    silence, late = by_kind.get(IncidentKind.SILENCE), by_kind.get(IncidentKind.LATE_START)
    expected = (
        find_expected_success(automation)
        if not automation.is_off(now) and silence is not None and _is_planned(automation)
        else None
    )
    state, since_at, reason = _evaluate_state(automation, silence, late, now)
    late_at = silence.figures.get("late_at") if silence is not None else None
    return AutomationHealth(
        state=state,
        since_at=since_at,
        why=reason,
        due_at=None if expected is None else expected.due_at,
        late_at=late_at,
        last_good_at=automation.succeeded_at,
        silence=_describe_rule(automation, silence),
        judged=tuple(evaluations),
    )


def _evaluate_state(
    automation: WatchedAutomation, silence: Evaluation | None, late: Evaluation | None, now: int
) -> tuple[AutomationState, int | None, str]:
    if automation.retired_at is not None:
        return AutomationState.RETIRED, automation.retired_at, ""
    if automation.problem:
        return AutomationState.PROBLEM, None, automation.problem
    if automation.is_off(now):
        return (
            AutomationState.PAUSED,
            automation.paused_at,
            f"by {automation.paused_by}" if automation.paused_by else "",
        )
    for state, evaluation in ((AutomationState.SILENT, silence), (AutomationState.LATE, late)):
        if evaluation is not None and evaluation.finding is not None:
            return state, evaluation.finding.since_at, evaluation.finding.text
    if silence is None or (silence.figures.get("late_at") is None and silence.unsure is None):
        return AutomationState.ON_DEMAND, None, ""
    if silence.figures.get("learning"):
        return AutomationState.LEARNING, None, _describe_learning(silence)
    return AutomationState.ON_TIME, None, ""


def _is_planned(automation: WatchedAutomation) -> bool:
    return bool(automation.cadences) or automation.option("silence") not in (None, False)


def _describe_learning(silence: Evaluation) -> str:
    successes, over_ms = silence.figures.get("successes", 0), silence.figures.get("over_ms", 0)
    return (
        f"{format_count(successes, 'success', 'successes')} in {format_span(over_ms)} so far; 20 in 7 days are needed"
    )


def _describe_rule(automation: WatchedAutomation, silence: Evaluation | None) -> str:
    """Return the rule of silence in words."""
    option = automation.option("silence")
    if option is False:
        return "off"
    if option is not None:
        return f"within {option}"
    if silence is None:
        return "-"
    grace_ms, window_ms = silence.figures.get("grace_ms"), silence.figures.get("window_ms")
    if grace_ms is not None:
        return f"{format_span(grace_ms)} after it is due"
    if window_ms is None:
        return "-"
    return f"{'learning: ' if silence.figures.get('learning') else 'learned: '}within {format_span(window_ms)}"
