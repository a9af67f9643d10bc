"""Backlog: too many runs wait, or for too long; and queues that fill faster than they are emptied."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WaitingRuns, WatchedAutomation, WatchedQueue
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span

RATE_WINDOW_MS = 3_600_000


class BacklogTuning(Tuning, frozen=True, kw_only=True):
    """`age`: how long a run that could run may wait. A number is stated by `backlog=` of a definition only."""

    age: TuningSpan = timedelta(hours=6)


class GrowingTuning(Tuning, frozen=True, kw_only=True):
    """`within`: how near the limit of a queue may be; `least`: a smaller backlog is not evaluated."""

    within: TuningSpan = timedelta(hours=24)
    least: TuningCount = 100


def evaluate(facts: MonitorInputs, tuning: BacklogTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation with waiting runs that could run."""
    paused_queues = {queue.name: queue for queue in facts.queues if queue.paused_at is not None}
    for automation in facts.expected(now_at):
        if automation.waiting is not None and automation.option("backlog") is not False:
            yield _evaluate_automation(
                automation, automation.waiting, paused_queues.get(automation.waiting.queue), tuning, facts, now_at
            )


def _evaluate_automation(
    automation: WatchedAutomation,
    waiting: WaitingRuns,
    paused: WatchedQueue | None,
    tuning: BacklogTuning,
    facts: MonitorInputs,
    now_at: int,
) -> Evaluation:
    limit = automation.option("backlog")
    # Hysteresis: an open incident resolves only when the backlog is clearly smaller.
    is_open = Subject(automation.name, IncidentKind.BACKLOG) in facts.open
    limit_in_force = limit if limit is None or not is_open else max(limit // 2, 1)
    age_ms = now_at - waiting.since_at
    metrics: dict[str, Any] = {
        "waiting": waiting.number,
        "limit": limit_in_force,
        "queue": waiting.queue,
        "oldest_ms": age_ms,
        "longest_ms": to_ms(tuning.age),
    }
    since_at = None
    if age_ms >= to_ms(tuning.age):
        since_at = waiting.since_at + to_ms(tuning.age)
    elif limit_in_force is not None and waiting.number >= limit_in_force:
        since_at = waiting.since_at
    place = f": queue {waiting.queue} is paused by {paused.paused_by}" if paused else f" in queue {waiting.queue}"
    hint = f"mainspring queues resume {waiting.queue}" if paused else f"mainspring queues show {waiting.queue}"
    text = f"{format_count(waiting.number, 'run')} wait{'s' if waiting.number == 1 else ''}, the oldest for {format_span(age_ms)}{place}"
    return evaluate_automation(
        automation, IncidentKind.BACKLOG, metrics, since_at, text, hint=hint, cause=f"queue:{waiting.queue}"
    )


def evaluate_growing(facts: MonitorInputs, tuning: GrowingTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each queue with a backlog: how long until it is full."""
    severity = highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY)
    for queue in facts.queues:
        if queue.backlog < tuning.least or queue.max_backlog is None:
            continue
        subject = Subject("", IncidentKind.BACKLOG_GROWING, queue.name)
        growth = queue.arrived - queue.ended
        free_slots = max(queue.max_backlog - queue.backlog, 0)
        left_ms = free_slots * RATE_WINDOW_MS // growth if growth > 0 else None
        # Hysteresis: an open incident resolves only when the limit is clearly further away.
        within_ms = to_ms(tuning.within) * (2 if subject in facts.open else 1)
        metrics = {
            "backlog": queue.backlog,
            "max_backlog": queue.max_backlog,
            "arrived": queue.arrived,
            "ended": queue.ended,
            "left_ms": left_ms,
            "within_ms": within_ms,
        }
        if left_ms is None or left_ms > within_ms:
            yield Evaluation(subject, metrics)
            continue
        when = f"full in {format_span(left_ms)}" if free_slots else "full: it accepts no runs"
        finding = Finding(
            subject=subject,
            severity=severity,
            text=f"queue {queue.name}: {queue.arrived:,} arrived and {queue.ended:,} ended in an hour, "
            f"{queue.backlog:,} wait; {when}",
            since_at=now_at - RATE_WINDOW_MS,
            hint="Add workers, or start fewer runs: mainspring queues list",
            facts=metrics,
            cause=f"queue:{queue.name}",
        )
        yield Evaluation(subject, metrics, finding)


MONITORS = (
    Monitor(
        kind=IncidentKind.BACKLOG,
        line="Too many runs wait, or one waits too long.",
        rule=(
            "Open while the oldest run that could start has waited for longest_ms, or waiting is at least limit: backlog= of "
            "the definition. An open incident resolves below half of the limit."
        ),
        tuning=BacklogTuning(),
        evaluate=evaluate,
    ),
    Monitor(
        kind=IncidentKind.BACKLOG_GROWING,
        line="A queue fills faster than its runs end.",
        rule=(
            "Open while a queue with max_backlog is full in within_ms or less, at the speed of the last hour: arrived less "
            "ended. It does not open below a backlog of 100. An open incident resolves at twice the time."
        ),
        tuning=GrowingTuning(),
        evaluate=evaluate_growing,
        of_automations=False,
    ),
)
