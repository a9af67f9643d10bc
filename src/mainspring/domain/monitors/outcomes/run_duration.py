"""Run duration: too slow and too fast, compared with the stated limit and with earlier runs.

Durations are stored by powers of two: a run in the bucket k took at most 2^k ms and more than half of it. Every rule here holds for every
duration in the bucket.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import DurationHistory, MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span

NEWEST_COUNT = 5
"""The newest successes that are checked: half of them must be slow."""
_SLOW_FACTOR, _HANG_FACTOR = 2, 4
_FASTEST = 0.1
"""A larger share of the runs than one that was too fast itself, so that the second of that kind is reported, too."""
_NO_HISTORY = "its history is not read yet"


class SlowTuning(Tuning, frozen=True, kw_only=True):
    """`runs` and `over`: how much makes it known; `hangs`: no run that still runs is reported before, unless `slow=` is set."""

    runs: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    hangs: TuningSpan = timedelta(hours=1)


class FastTuning(Tuning, frozen=True, kw_only=True):
    """`runs` and `over`: how much makes it known; `least`: runs that usually take less are not evaluated."""

    runs: TuningCount = 20
    over: TuningSpan = timedelta(days=7)
    least: TuningSpan = timedelta(seconds=8)


def evaluate_slow(facts: MonitorInputs, tuning: SlowTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation that runs or ran."""
    for automation in facts.expected(now_at):
        stated = automation.option("slow")
        if stated is False or (automation.running_since_at is None and not automation.ends):
            continue
        slow = automation.span("slow")
        yield (
            _evaluate_stated_limit(automation, to_ms(slow), now_at)
            if slow is not None
            else _evaluate_learned_limit(automation, tuning, now_at)
        )


def evaluate_fast(facts: MonitorInputs, tuning: FastTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the newest success of each automation."""
    kind = IncidentKind.TOO_FAST
    for automation in facts.expected(now_at):
        newest = next((end for end in automation.ends if end.succeeded), None)
        if newest is None or newest.duration_ms is None:
            continue
        metrics: dict[str, Any] = {"took_ms": newest.duration_ms, "run": newest.run}
        if automation.history is None:
            yield Evaluation(Subject(automation.name, kind), metrics, unsure=_NO_HISTORY)
            continue
        is_learned = _is_learned(automation.history, tuning.runs, tuning.over)
        metrics |= {"learning": not is_learned, "runs": automation.history.runs, "over_ms": automation.history.over_ms}
        if not is_learned:
            yield Evaluation(Subject(automation.name, kind), metrics)
            continue
        usual_ms = 2 ** max(automation.history.bucket_at(_FASTEST) - 1, 0)
        metrics |= {"usual_ms": usual_ms, "limit_ms": usual_ms // _SLOW_FACTOR}
        is_too_fast = usual_ms >= to_ms(tuning.least) and newest.duration_ms < usual_ms // _SLOW_FACTOR
        yield evaluate_automation(
            automation,
            kind,
            metrics,
            newest.finished_at if is_too_fast else None,
            f"succeeded after {format_span(newest.duration_ms)}, nine in ten runs took more than "
            f"{format_span(usual_ms)}",
            hint=f"mainspring runs diff {newest.run} compares it with the last success.",
            at_most=Severity.NOTIFY,
        )


def _is_learned(history: DurationHistory, runs: int, over: timedelta) -> bool:
    return history.runs >= runs and history.over_ms >= to_ms(over)


def _evaluate_stated_limit(automation: WatchedAutomation, slow_ms: int, now_at: int) -> Evaluation:
    running_ms = None if automation.running_since_at is None else now_at - automation.running_since_at
    newest = next((end for end in automation.ends if end.succeeded), None)
    duration_ms = None if newest is None else newest.duration_ms
    metrics = {"running_ms": running_ms, "took_ms": duration_ms, "limit_ms": slow_ms}
    since_at, text = None, ""
    if automation.running_since_at is not None and (running_ms or 0) > slow_ms:
        since_at = automation.running_since_at + slow_ms
        text = f"a run has been running for {format_span(running_ms or 0)}, {format_span(slow_ms)} is slow"
    elif newest is not None and (duration_ms or 0) > slow_ms:
        since_at, text = (
            newest.finished_at,
            f"the last run took {format_span(duration_ms or 0)}, {format_span(slow_ms)} is slow",
        )
    hint = f"mainspring runs list --name {automation.name}"
    return evaluate_automation(automation, IncidentKind.TOO_SLOW, metrics, since_at, text, hint=hint)


def _evaluate_learned_limit(automation: WatchedAutomation, tuning: SlowTuning, now_at: int) -> Evaluation:
    kind, history = IncidentKind.TOO_SLOW, automation.history
    running_ms = None if automation.running_since_at is None else now_at - automation.running_since_at
    newest = [end.duration_ms for end in automation.ends if end.succeeded and end.duration_ms is not None]
    durations = sorted(newest[:NEWEST_COUNT])
    half_ms = durations[(len(durations) - 1) // 2] if durations else None
    metrics: dict[str, Any] = {"running_ms": running_ms, "half_took_ms": half_ms}
    if history is None:
        return Evaluation(Subject(automation.name, kind), metrics, unsure=_NO_HISTORY)
    is_learned = _is_learned(history, tuning.runs, tuning.over)
    metrics |= {"learning": not is_learned, "runs": history.runs, "over_ms": history.over_ms}
    if not is_learned:
        return Evaluation(Subject(automation.name, kind), metrics)
    p99_ms = 2 ** history.bucket_at(0.99)
    hangs_ms = max(_HANG_FACTOR * p99_ms, to_ms(tuning.hangs))
    metrics |= {"p99_ms": p99_ms, "limit_ms": _SLOW_FACTOR * p99_ms, "hangs_ms": hangs_ms}
    hint = f"mainspring runs list --name {automation.name}"
    if automation.running_since_at is not None and (running_ms or 0) > hangs_ms:
        text = (
            f"a run has been running for {format_span(running_ms or 0)}, 99 % of its runs took at most "
            f"{format_span(p99_ms)}"
        )
        return evaluate_automation(automation, kind, metrics, automation.running_since_at + hangs_ms, text, hint=hint)
    since_at = (
        max(end.finished_at for end in automation.ends)
        if half_ms is not None and half_ms > _SLOW_FACTOR * p99_ms
        else None
    )
    text = f"half of the last runs took {format_span(half_ms or 0)} or more, 99 % took at most {format_span(p99_ms)} so far"
    return evaluate_automation(automation, kind, metrics, since_at, text, hint=hint, at_most=Severity.DIGEST)


MONITORS = (
    Monitor(
        kind=IncidentKind.TOO_SLOW,
        line="Runs take longer than allowed or usual.",
        rule=(
            "With slow=: open while a run has run longer than limit_ms, or the last success took longer. Otherwise, once "
            "durations are learned: open while a run has run longer than hangs_ms, which is 4 x p99_ms and at least 1 h. With "
            "severity digest: open while half of the newest 5 successes took longer than limit_ms, which is 2 x p99_ms."
        ),
        tuning=SlowTuning(),
        evaluate=evaluate_slow,
    ),
    Monitor(
        kind=IncidentKind.TOO_FAST,
        line="Runs end too soon to have done their work.",
        rule=(
            "Once durations are learned: open while the newest success took less than limit_ms, which is half of usual_ms. "
            "Nine in ten runs took at least usual_ms. It does not open if usual_ms is below 8 s."
        ),
        tuning=FastTuning(),
        evaluate=evaluate_fast,
    ),
)
