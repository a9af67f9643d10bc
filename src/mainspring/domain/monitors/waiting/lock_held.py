"""Lock held: a lock whose holder is gone, or that is held for very long."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span


class LockHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: how long a living process may hold a lock; `gone`: how long a lock may be held after its holder died."""

    longest: TuningSpan = timedelta(hours=24)
    gone: TuningSpan = timedelta(minutes=10)


def evaluate(facts: MonitorInputs, tuning: LockHeldTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each lock."""
    severity = highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY)
    for lock in facts.locks:
        subject = Subject("", IncidentKind.LOCK_HELD, lock.name)
        held_ms, longest_ms = now_at - lock.acquired_at, to_ms(tuning.longest if lock.live else tuning.gone)
        metrics = {"owner": lock.owner, "live": lock.live, "held_ms": held_ms, "longest_ms": longest_ms}
        yield evaluate_subject(
            subject,
            severity,
            metrics,
            lock.acquired_at if held_ms >= longest_ms else None,
            f"lock {lock.name} is held for {format_span(held_ms)} by {lock.owner}{'' if lock.live else ', which is gone'}",
            hint=f"If its holder no longer works: mainspring locks break {lock.name}",
        )


MONITOR = Monitor(
    kind=IncidentKind.LOCK_HELD,
    line="A lock is held for very long, or its holder is gone.",
    rule="Open while held_ms is at least longest_ms: 24 h, or 10 min if the holder is gone.",
    tuning=LockHeldTuning(),
    evaluate=evaluate,
    of_automations=False,
)
