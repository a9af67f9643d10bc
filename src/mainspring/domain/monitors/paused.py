"""Paused: an automation or a queue was paused without an end, and seems forgotten."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.monitors.words import about


class PausedTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: so long may a pause without an end last."""

    longest: Length = timedelta(days=7)


def judge(facts: Facts, tuning: PausedTuning, now_at: int) -> Iterator[Judged]:
    """Judge each pause that has no end."""
    for one in facts.automations:
        if one.paused_at is not None and one.paused_until is None and one.retired_at is None:
            subject = Subject(one.name, IncidentKind.PAUSED)
            hint = f"mainspring auto resume {one.name}, or mainspring auto retire {one.name}"
            yield _judged(subject, "", one.paused_at, one.paused_by, hint, tuning, now_at)
    for queue in facts.queues:
        if queue.paused_at is not None:
            subject = Subject("", IncidentKind.PAUSED, queue.name)
            hint = f"mainspring queues resume {queue.name}"
            yield _judged(subject, f"queue {queue.name} ", queue.paused_at, queue.paused_by, hint, tuning, now_at)


def _judged(
    subject: Subject, what: str, paused_at: int, by: str | None, hint: str, tuning: PausedTuning, now_at: int
) -> Judged:
    paused_ms = now_at - paused_at
    figures = {"paused_at": paused_at, "by": by, "paused_ms": paused_ms, "longest_ms": ms(tuning.longest)}
    if paused_ms < ms(tuning.longest):
        return Judged(subject, figures)
    finding = Finding(
        subject=subject,
        severity=Severity.DIGEST,
        text=f"{what}paused without an end for {about(paused_ms)} by {by or 'somebody'}",
        since_at=paused_at + ms(tuning.longest),
        hint=hint,
        facts=figures,
    )
    return Judged(subject, figures, finding)


MONITOR = Monitor(
    kind=IncidentKind.PAUSED,
    line="It was paused without an end, and seems forgotten.",
    rule="Wrong, in the digest, while a pause without an end has lasted longest_ms or more.",
    tuning=PausedTuning(),
    judge=judge,
)
