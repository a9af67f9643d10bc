"""Silence: no success in the window in which one was expected.

The window follows from `silence=`, else from the schedules with their grace, else from the gaps between the successes so far. No success is
expected of an automation that has never succeeded, has no schedule and states no `silence=`.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, SuccessGaps, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.system.worker_lost import COMMAND_KINDS
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS, SHORTEST_WINDOW_MS, extend_over_weekends
from mainspring.domain.monitors.timing.success_outlook import count_missed_slots, describe_outlook
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span
from mainspring.domain.time.cron import find_zone
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.success_deadline import SuccessDeadline, find_overdue

_TIMES_P99, _TIMES_LARGEST = 3, 2
_FAR_FUTURE = 2**63 - 1


class SilenceTuning(Tuning, frozen=True, kw_only=True):
    """`successes` and `over`: how much must be known before a window is learned; `learning`: the silence that is reported before."""

    successes: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    learning: TuningSpan = timedelta(hours=48)


def evaluate(facts: MonitorInputs, tuning: SilenceTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation that has a cadence, stated or learned."""
    for automation in facts.expected(now_at):
        silence = automation.option("silence")
        if silence is False:
            continue
        if silence is not None or automation.cadences:
            yield _evaluate_schedule(automation, now_at)
        elif automation.succeeded_at is not None:
            yield _evaluate_learned_window(automation, automation.succeeded_at, tuning, now_at)


def find_expected_success(automation: WatchedAutomation) -> SuccessDeadline | None:
    """Return the success that `silence=` or the schedules expect next, the first overdue one first; None = none is expected any more."""
    grace, silence = (automation.span(name) for name in ("grace", "silence"))
    if silence is not None:
        schedule_start = min((cadence.since_at for cadence in automation.cadences), default=automation.announced_at)
        since_at = max(schedule_start, automation.success_from_at)
        return find_overdue(
            (), since_at=since_at, succeeded_at=automation.succeeded_at, now_at=_FAR_FUTURE, silence=silence
        )
    deadlines = (
        find_overdue(
            (cadence.schedule,),
            since_at=max(cadence.since_at, automation.success_from_at),
            succeeded_at=automation.succeeded_at,
            now_at=_FAR_FUTURE,
            grace=grace,
            jitter=automation.jitter_of(cadence),
        )
        for cadence in automation.cadences
    )
    return min(
        (deadline for deadline in deadlines if deadline is not None),
        key=lambda deadline: deadline.late_at,
        default=None,
    )


def describe_expectation(automation: WatchedAutomation) -> str:
    """Return what `silence=` or the schedules expect, in words."""
    silence = automation.option("silence")
    return (
        f"within {silence}"
        if silence is not None
        else " or ".join(_describe_schedule(cadence.schedule) for cadence in automation.cadences)
    )


@lru_cache(maxsize=65_536)  # describing a cron expression takes long, and every evaluation asks
def _describe_schedule(schedule: Schedule) -> str:
    return schedule.describe()


def _evaluate_schedule(automation: WatchedAutomation, now_at: int) -> Evaluation:
    deadline = find_expected_success(automation)
    metrics: dict[str, Any] = {"expected": describe_expectation(automation), "last_good_at": automation.succeeded_at}
    if deadline is None:
        return evaluate_automation(automation, IncidentKind.SILENCE, metrics, None, "")
    grace_ms = deadline.late_at - deadline.due_at
    metrics |= {"due_at": deadline.due_at, "grace_ms": grace_ms, "late_at": deadline.late_at}
    if deadline.late_at > now_at:
        return evaluate_automation(automation, IncidentKind.SILENCE, metrics, None, "")
    if automation.cadences:
        metrics |= {"missed": count_missed_slots(automation, now_at - grace_ms), **describe_outlook(automation, now_at)}
    return evaluate_automation(
        automation,
        IncidentKind.SILENCE,
        metrics,
        deadline.due_at,
        f"{_describe_silence(automation, now_at)} (expected {metrics['expected']})",
        hint=_suggest_command(automation),
    )


def _suggest_command(automation: WatchedAutomation) -> str:
    if automation.file and not automation.served and automation.kind not in COMMAND_KINDS:
        over = f"If it is not needed any more: mainspring auto retire {automation.name}"
        return f"No worker has loaded it. Start one that does: {automation.up_command}. {over}."
    return f"mainspring runs list --name {automation.name} lists its runs."


def _evaluate_learned_window(
    automation: WatchedAutomation, succeeded_at: int, tuning: SilenceTuning, now_at: int
) -> Evaluation:
    from_at = max(succeeded_at, automation.success_from_at)
    gaps, silent_ms = automation.gaps, now_at - from_at
    metrics: dict[str, Any] = {"last_good_at": succeeded_at, "silent_ms": silent_ms}
    if gaps is None:
        unsure = None if silent_ms < SHORTEST_WINDOW_MS else "its history is not read yet"
        return Evaluation(Subject(automation.name, IncidentKind.SILENCE), metrics, unsure=unsure)
    learning = gaps.successes < tuning.successes or gaps.over_ms < to_ms(tuning.over)
    window_ms = _first_window(automation, from_at, gaps, to_ms(tuning.learning)) if learning else _usual_window(gaps)
    metrics |= {
        "learning": learning,
        "successes": gaps.successes,
        "over_ms": gaps.over_ms,
        "class": gaps.class_name,
        "class_gaps": gaps.class_gaps,
        "p99_ms": gaps.p99_ms,
        "largest_ms": gaps.largest_ms,
        "on_weekends": gaps.on_weekends,
        "window_ms": window_ms,
        "late_at": from_at + window_ms,
    }
    is_silent = gaps.successes > 1 and silent_ms >= window_ms  # one success may have been meant to be the only one
    return evaluate_automation(
        automation,
        IncidentKind.SILENCE,
        metrics,
        from_at + window_ms if is_silent else None,
        f"{_describe_silence(automation, now_at)} ({'still learning' if learning else 'usually'} within {format_span(window_ms)})",
        hint=f"If it is not needed any more: mainspring auto retire {automation.name}. For another window set "
        "silence= in its definition.",
        at_most=Severity.DIGEST if learning else Severity.PAGE,
    )


def _usual_window(gaps: SuccessGaps) -> int:
    return max(_TIMES_P99 * gaps.p99_ms, _TIMES_LARGEST * gaps.largest_ms, SHORTEST_WINDOW_MS)


def _first_window(automation: WatchedAutomation, from_at: int, gaps: SuccessGaps, learning_ms: int) -> int:
    """Return how long may pass while little is known: up to a gap as long as one that was seen, and to the hour at that, is no silence.

    Nor is a weekend, of an automation that has not succeeded on any.
    """
    if not gaps.on_weekends:
        learning_ms = extend_over_weekends(from_at, learning_ms, find_zone(automation.option("tz") or "UTC"))
    seen_ms = gaps.largest_ms + HOUR_MS
    return learning_ms if seen_ms <= learning_ms else max(seen_ms, gaps.largest_ms * 5 // 4)


def _describe_silence(automation: WatchedAutomation, now_at: int) -> str:
    return (
        "no success yet"
        if automation.succeeded_at is None
        else f"no success for {format_span(now_at - automation.succeeded_at)}"
    )


MONITOR = Monitor(
    kind=IncidentKind.SILENCE,
    line="No success in the expected window.",
    rule=(
        "With silence= or a schedule: opens at late_at, which is due_at plus grace_ms. A success is due at the next slot after "
        "the last success; with every= or silence=, when that span has passed since it. Otherwise: opens if window_ms has "
        "passed since the last success. The window is the longer of 3 x p99_ms and 2 x largest_ms, and at least 3 h. A gap is "
        "the time between two successes: largest_ms is the longest gap, and 99 % of the gaps of this class are not longer than "
        "p99_ms. While it is still learning, the window is 48 h, or a quarter more than largest_ms if that is longer, and the "
        "severity is digest. These 48 h leave out weekends until a first success on one (on_weekends). A single success starts "
        "no window."
    ),
    tuning=SilenceTuning(),
    evaluate=evaluate,
)
