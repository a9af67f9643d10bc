"""Silence: no success in the window in which one was expected.

The window follows from `silence=`, else from the schedules with their grace, else from the gaps between the successes so far. Who has never
succeeded, has no schedule and states no `silence=` is expected by nobody.
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
    """`successes` and `over`: from when on a window is learned; `learning`: the silence that is told before."""

    successes: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    learning: TuningSpan = timedelta(hours=48)


def evaluate(facts: MonitorInputs, tuning: SilenceTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each automation that has a cadence, stated or learned."""
    for one in facts.expected(now_at):
        silence = one.option("silence")
        if silence is False:
            continue
        if silence is not None or one.cadences:
            yield _evaluate_schedule(one, now_at)
        elif one.succeeded_at is not None:
            yield _evaluate_learned_window(one, one.succeeded_at, tuning, now_at)


def find_expected_success(one: WatchedAutomation) -> SuccessDeadline | None:
    """Return the success that `silence=` or the schedules expect next, the one that is overdue first; None = none is expected any more."""
    grace, silence, jitter = (one.span(name) for name in ("grace", "silence", "jitter"))
    if silence is not None:
        begun = min((cadence.since_at for cadence in one.cadences), default=one.announced_at)
        since_at = max(begun, one.success_from_at)
        return find_overdue((), since_at=since_at, succeeded_at=one.succeeded_at, now_at=_FAR_FUTURE, silence=silence)
    found = (
        find_overdue(
            (cadence.schedule,),
            since_at=max(cadence.since_at, one.success_from_at),
            succeeded_at=one.succeeded_at,
            now_at=_FAR_FUTURE,
            grace=grace,
            jitter=jitter,
        )
        for cadence in one.cadences
    )
    return min((late for late in found if late is not None), key=lambda late: late.late_at, default=None)


def describe_expectation(one: WatchedAutomation) -> str:
    """Return what `silence=` or the schedules expect, in words."""
    silence = one.option("silence")
    return (
        f"within {silence}"
        if silence is not None
        else " or ".join(_describe_schedule(each.schedule) for each in one.cadences)
    )


@lru_cache(maxsize=65_536)  # a cron expression takes long to say, and every look asks
def _describe_schedule(schedule: Schedule) -> str:
    return schedule.describe()


def _evaluate_schedule(one: WatchedAutomation, now_at: int) -> Evaluation:
    next_one = find_expected_success(one)
    figures: dict[str, Any] = {"expected": describe_expectation(one), "last_good_at": one.succeeded_at}
    if next_one is None:
        return evaluate_automation(one, IncidentKind.SILENCE, figures, None, "")
    grace_ms = next_one.late_at - next_one.due_at
    figures |= {"due_at": next_one.due_at, "grace_ms": grace_ms, "late_at": next_one.late_at}
    if next_one.late_at > now_at:
        return evaluate_automation(one, IncidentKind.SILENCE, figures, None, "")
    if one.cadences:
        figures |= {"missed": count_missed_slots(one, now_at - grace_ms), **describe_outlook(one, now_at)}
    return evaluate_automation(
        one,
        IncidentKind.SILENCE,
        figures,
        next_one.due_at,
        f"{_describe_silence(one, now_at)} (expected {figures['expected']})",
        hint=_suggest_command(one),
    )


def _suggest_command(one: WatchedAutomation) -> str:
    if one.file and not one.served and one.kind not in COMMAND_KINDS:
        over = f"If it is not to run any more: mainspring auto retire {one.name}"
        return f"No worker has loaded it. Start one that does: {one.up_command}. {over}."
    return f"mainspring runs list --name {one.name} shows what became of it."


def _evaluate_learned_window(
    one: WatchedAutomation, succeeded_at: int, tuning: SilenceTuning, now_at: int
) -> Evaluation:
    from_at = max(succeeded_at, one.success_from_at)
    gaps, silent_ms = one.gaps, now_at - from_at
    figures: dict[str, Any] = {"last_good_at": succeeded_at, "silent_ms": silent_ms}
    if gaps is None:
        unsure = None if silent_ms < SHORTEST_WINDOW_MS else "its history is not read yet"
        return Evaluation(Subject(one.name, IncidentKind.SILENCE), figures, unsure=unsure)
    learning = gaps.successes < tuning.successes or gaps.over_ms < to_ms(tuning.over)
    window_ms = _first_window(one, from_at, gaps, to_ms(tuning.learning)) if learning else _usual_window(gaps)
    figures |= {
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
        one,
        IncidentKind.SILENCE,
        figures,
        from_at + window_ms if is_silent else None,
        f"{_describe_silence(one, now_at)} ({'still learning' if learning else 'usually'} within {format_span(window_ms)})",
        hint=f"If it is not to run any more: mainspring auto retire {one.name}. Another window: silence= of its definition.",
        at_most=Severity.DIGEST if learning else Severity.PAGE,
    )


def _usual_window(gaps: SuccessGaps) -> int:
    return max(_TIMES_P99 * gaps.p99_ms, _TIMES_LARGEST * gaps.largest_ms, SHORTEST_WINDOW_MS)


def _first_window(one: WatchedAutomation, from_at: int, gaps: SuccessGaps, learning_ms: int) -> int:
    """Return what may pass while little is known: a gap as long as one that was seen, and to the hour at that, is no silence.

    Nor is a weekend, of an automation that has not succeeded on any.
    """
    if not gaps.on_weekends:
        learning_ms = extend_over_weekends(from_at, learning_ms, find_zone(one.option("tz") or "UTC"))
    seen_ms = gaps.largest_ms + HOUR_MS
    return learning_ms if seen_ms <= learning_ms else max(seen_ms, gaps.largest_ms * 5 // 4)


def _describe_silence(one: WatchedAutomation, now_at: int) -> str:
    return "no success yet" if one.succeeded_at is None else f"no success for {format_span(now_at - one.succeeded_at)}"


MONITOR = Monitor(
    kind=IncidentKind.SILENCE,
    line="No success in the window in which one was expected.",
    rule=(
        "Wrong from late_at on: due_at and grace_ms where silence= or a schedule says when. Else the last "
        "success and window_ms, the larger of 3 x p99_ms (the gap that 99 % of its class are not longer than) "
        "and 2 x largest_ms, three hours at least. While learning, in the digest: 48 h, or a quarter more than "
        "largest_ms where that is longer. Weekends are not counted in these 48 h before on_weekends, the first "
        "success on one. After a single success, which may have been the only one meant, nothing."
    ),
    tuning=SilenceTuning(),
    judge=evaluate,
)
