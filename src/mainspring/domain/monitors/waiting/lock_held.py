"""Lock held: a lock whose holder is gone, or that is held for unusually long."""

import shlex
from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import HeldLock, MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span
from mainspring.domain.triggers.trigger_source import CONSUMER_LOCK_PREFIX

USUAL_FROM_HOLDS = 20
"""A lock that was acquired this often has a usual hold."""


class LockHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: how long a living process may hold a lock; `gone`: how long a lock may be held after its holder died.

    `unusual`: how often its longest hold so far a lock may be held, if that is shorter; at least `least`.
    """

    longest: TuningSpan = timedelta(hours=24)
    unusual: TuningCount = 10
    least: TuningSpan = timedelta(minutes=30)
    gone: TuningSpan = timedelta(minutes=10)


def evaluate(facts: MonitorInputs, tuning: LockHeldTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each lock, except those of running consumers: these hold theirs for as long as their worker runs."""
    severity = highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY)
    for lock in facts.locks:
        if lock.live and lock.name.startswith(CONSUMER_LOCK_PREFIX):
            continue
        name = lock.name if lock.slot is None else f"{lock.name} (slot {lock.slot})"
        slot = "" if lock.slot is None else f" --slot {lock.slot}"
        held_ms, longest_ms = now_at - lock.acquired_at, _longest_ms(lock, tuning)
        metrics = {"owner": lock.owner, "live": lock.live, "held_ms": held_ms, "longest_ms": longest_ms}
        gone = "" if lock.live else ", which is gone"
        usual = (
            "" if not lock.live or lock.usual_ms is None else f"; its longest hold was {_format_usual(lock.usual_ms)}"
        )
        yield evaluate_subject(
            Subject("", IncidentKind.LOCK_HELD, name),
            severity,
            metrics,
            lock.acquired_at if held_ms >= longest_ms else None,
            f"lock {name} is held for {format_span(held_ms)} by {lock.owner}{gone}{usual}",
            hint=f"If its holder no longer works: mainspring locks break {shlex.quote(lock.name)}{slot} --reason '...'",
        )


def _longest_ms(lock: HeldLock, tuning: LockHeldTuning) -> int:
    """Return how long a lock may be held."""
    if not lock.live:
        return to_ms(tuning.gone)
    longest_ms = to_ms(tuning.longest)
    if lock.usual_ms is None:
        return longest_ms
    return min(longest_ms, max(lock.usual_ms * tuning.unusual, to_ms(tuning.least)))


def _format_usual(usual_ms: int) -> str:
    return format_span(usual_ms) if usual_ms else "less than a minute"


MONITOR = Monitor(
    kind=IncidentKind.LOCK_HELD,
    line="A lock is held for unusually long, or its holder is gone.",
    rule="Open while held_ms is at least longest_ms: 10 times the longest hold so far, 30 min to 24 h; 10 min if the holder is gone.",
    tuning=LockHeldTuning(),
    evaluate=evaluate,
    of_automations=False,
)
