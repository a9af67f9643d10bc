"""Too often: more starts than schedules or history allow, as of an automation that publishes the event that it listens to."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms

START_WINDOW_MS = 3_600_000
_EXCESS_FACTOR = 3
_EXCESS_FACTOR_UNLEARNED = 10


class TooOftenTuning(Tuning, frozen=True, kw_only=True):
    """`least`: this many starts in an hour are never too many; `over`: how long until the busiest hour is known."""

    least: TuningCount = 60
    over: TuningSpan = timedelta(days=7)


def evaluate(facts: MonitorInputs, tuning: TooOftenTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation that was started in the last hour."""
    for automation in facts.expected(now_at):
        if automation.recent.started:
            yield _evaluate_automation(automation, tuning, facts, now_at)


def _evaluate_automation(
    automation: WatchedAutomation, tuning: TooOftenTuning, facts: MonitorInputs, now_at: int
) -> Evaluation:
    kind, started = IncidentKind.TOO_OFTEN, automation.recent.started
    metrics: dict[str, Any] = {"started": started, "least": tuning.least}
    is_open = Subject(automation.name, kind) in facts.open
    if started <= tuning.least // (2 if is_open else 1):
        return evaluate_automation(automation, kind, metrics, None, "")
    if automation.history is None:
        return Evaluation(Subject(automation.name, kind), metrics, unsure="its history is not read yet")
    slots = sum(
        len(cadence.schedule.slots_between(now_at - START_WINDOW_MS, now_at, limit=started))
        for cadence in automation.cadences
    )
    is_learned = automation.history.over_ms >= to_ms(tuning.over)
    limit = max(tuning.least, _EXCESS_FACTOR * slots, _EXCESS_FACTOR * automation.history.busiest_hour)
    if not is_learned and not automation.cadences:
        limit *= _EXCESS_FACTOR_UNLEARNED
    # Hysteresis: an open incident resolves only when the starts are clearly fewer.
    limit_in_force = limit // 2 if is_open else limit
    metrics |= {
        "slots": slots,
        "learning": not is_learned,
        "busiest_hour": automation.history.busiest_hour,
        "limit": limit_in_force,
    }
    return evaluate_automation(
        automation,
        kind,
        metrics,
        now_at - START_WINDOW_MS if started > limit_in_force else None,
        f"started {started:,} times in an hour, usual are at most {limit:,}",
        hint="If it starts what starts it, mainspring auto graph shows that; mainspring auto pause "
        f"{automation.name} stops it.",
        at_most=Severity.NOTIFY if is_learned or automation.cadences else Severity.DIGEST,
    )


MONITOR = Monitor(
    kind=IncidentKind.TOO_OFTEN,
    line="It starts more often than it should.",
    rule=(
        "Open while started (in the last hour) is above limit: the largest of 60, 3 x its slots in that hour and 3 x its "
        "busiest hour of the last 28 days. Without a schedule and before 7 days are known, the limit is ten times higher and "
        "the severity is digest. An open incident resolves at half of the limit."
    ),
    tuning=TooOftenTuning(),
    evaluate=evaluate,
)
