"""Lock held: a lock whose holder is gone, or that is held for very long."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor, loudest, own_verdict
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.monitors.words import about


class LockHeldTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may a living process hold a lock; `gone`: so long may one be held whose holder is gone."""

    longest: Length = timedelta(hours=24)
    gone: Length = timedelta(minutes=10)


def judge(facts: Facts, tuning: LockHeldTuning, now_at: int) -> Iterator[Judged]:
    """Judge each lock."""
    severity = loudest(facts.expected(now_at)).at_most(Severity.NOTIFY)
    for lock in facts.locks:
        subject = Subject("", IncidentKind.LOCK_HELD, lock.name)
        held_ms, longest_ms = now_at - lock.taken_at, ms(tuning.longest if lock.live else tuning.gone)
        figures = {"owner": lock.owner, "live": lock.live, "held_ms": held_ms, "longest_ms": longest_ms}
        yield own_verdict(
            subject,
            severity,
            figures,
            lock.taken_at if held_ms >= longest_ms else None,
            f"lock {lock.name} is held for {about(held_ms)} by {lock.owner}{'' if lock.live else ', which is gone'}",
            hint=f"If nobody works under it: mainspring locks break {lock.name}",
        )


MONITOR = Monitor(
    kind=IncidentKind.LOCK_HELD,
    line="A lock is held for very long, or its holder is gone.",
    rule="Wrong while held_ms is longest_ms or more: 24 hours, or 10 minutes where its holder is gone.",
    tuning=LockHeldTuning(),
    judge=judge,
    of_automations=False,
)
