"""How automations stand: on time, late, silent, learning, paused. It is judged by the monitors that open incidents, at this instant."""

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

JUDGING_MONITORS = (
    IncidentKind.SILENCE,
    IncidentKind.LATE_START,
    IncidentKind.FAIL_RATE,
    IncidentKind.TOO_SLOW,
    IncidentKind.TOO_FAST,
    IncidentKind.DID_NOTHING,
)
"""Monitors whose verdict hangs on one automation alone."""
_WHEN = (IncidentKind.SILENCE, IncidentKind.LATE_START)


class AutomationHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`since_at` = since when it stands so, where that is known; `why` in words.

    `due_at` = when a success is due next, `late_at` = when that is missed; `silence` = the rule in words; `judged` = what monitors say.
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
    alone: bool = False,
) -> dict[str, AutomationHealth]:
    """Return how each stands at the instant `now` (ms); `alone` = it is one, of which all that was learned and every judge are wanted."""
    wanted = list(names)
    if not wanted:
        return {}
    facts = (
        _read_facts_of_one(reader, wanted[0], now, tunings, own) if alone else _read_facts_of_many(reader, wanted, now)
    )
    kinds = JUDGING_MONITORS if alone else _WHEN
    verdicts: dict[str, list[Evaluation]] = {}
    for kind in kinds:
        for judged in evaluate_monitor(MONITORS[kind], facts, tunings, now, own):
            verdicts.setdefault(judged.subject.automation, []).append(judged)
    return {one.name: _build_health(one, verdicts.get(one.name, []), now) for one in facts.automations}


def _read_facts_of_many(reader: StoreReader, names: list[str], now: int) -> MonitorInputs:
    return FactsReader(reader, at_once=None).read_of(names, now)


def _read_facts_of_one(
    reader: StoreReader, name: str, now: int, tunings: TuningTable, own: TuningOverrides
) -> MonitorInputs:
    """Return all by which one automation is judged, as a watcher has it: what is open is well later than what is not."""
    general = tunings.get(IncidentKind.FAIL_RATE, FailRateTuning())
    tuning = own.of(name, IncidentKind.FAIL_RATE, general)
    window = tuning.window if isinstance(tuning, FailRateTuning) else FailRateTuning().window
    wrong = [one.subject for one in incidents(reader, automation=name)]
    return FactsReader(reader, at_once=None, about=name).read_of([name], now, window=window, open=wrong)


def _build_health(one: WatchedAutomation, judged: list[Evaluation], now: int) -> AutomationHealth:
    by_kind = {each.subject.kind: each for each in judged}
    silence, late = by_kind.get(IncidentKind.SILENCE), by_kind.get(IncidentKind.LATE_START)
    expected = find_expected_success(one) if not one.is_off(now) and silence is not None and _is_planned(one) else None
    state, since_at, why = _evaluate_state(one, silence, late, now)
    late_at = silence.figures.get("late_at") if silence is not None else None
    return AutomationHealth(
        state=state,
        since_at=since_at,
        why=why,
        due_at=None if expected is None else expected.due_at,
        late_at=late_at,
        last_good_at=one.succeeded_at,
        silence=_describe_rule(one, silence),
        judged=tuple(judged),
    )


def _evaluate_state(
    one: WatchedAutomation, silence: Evaluation | None, late: Evaluation | None, now: int
) -> tuple[AutomationState, int | None, str]:
    if one.retired_at is not None:
        return AutomationState.RETIRED, one.retired_at, ""
    if one.problem:
        return AutomationState.PROBLEM, None, one.problem
    if one.is_off(now):
        return AutomationState.PAUSED, one.paused_at, f"by {one.paused_by}" if one.paused_by else ""
    for state, judged in ((AutomationState.SILENT, silence), (AutomationState.LATE, late)):
        if judged is not None and judged.finding is not None:
            return state, judged.finding.since_at, judged.finding.text
    if silence is None or (silence.figures.get("late_at") is None and silence.unsure is None):
        return AutomationState.ON_DEMAND, None, ""
    if silence.figures.get("learning"):
        return AutomationState.LEARNING, None, _describe_learning(silence)
    return AutomationState.ON_TIME, None, ""


def _is_planned(one: WatchedAutomation) -> bool:
    return bool(one.cadences) or one.option("silence") not in (None, False)


def _describe_learning(silence: Evaluation) -> str:
    found, over = silence.figures.get("successes", 0), silence.figures.get("over_ms", 0)
    return f"{format_count(found, 'success', 'successes')} in {format_span(over)} so far; it takes 20 in 7 days"


def _describe_rule(one: WatchedAutomation, silence: Evaluation | None) -> str:
    """Return by what it is missed, in words."""
    stated = one.option("silence")
    if stated is False:
        return "off"
    if stated is not None:
        return f"within {stated}"
    if silence is None:
        return "-"
    grace_ms, window_ms = silence.figures.get("grace_ms"), silence.figures.get("window_ms")
    if grace_ms is not None:
        return f"{format_span(grace_ms)} after it is due"
    if window_ms is None:
        return "-"
    return f"{'learning: ' if silence.figures.get('learning') else 'learned: '}within {format_span(window_ms)}"
