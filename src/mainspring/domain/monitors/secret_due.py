"""Secret due: a secret that has to be renewed by a day that `[secrets.due]` of the configuration states."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import DueSecret, Facts
from mainspring.domain.monitors.judged import Judged, Monitor
from mainspring.domain.monitors.tuning import Length, Tuning, ms

_SHOWN = 5


class SecretDueTuning(Tuning, frozen=True, kw_only=True):
    """`before`: how long ahead it is told."""

    before: Length = timedelta(days=14)


def judge(facts: Facts, tuning: SecretDueTuning, now_at: int) -> Iterator[Judged]:
    """Judge each secret that has a date."""
    for one in facts.secrets:
        yield _judged(one, tuning, now_at)


def _judged(one: DueSecret, tuning: SecretDueTuning, now_at: int) -> Judged:
    subject = Subject("", IncidentKind.SECRET_DUE, one.name)
    since_at = one.due_at - ms(tuning.before)
    figures = {"due_at": one.due_at, "before_ms": ms(tuning.before), "used_by": list(one.used_by)}
    if since_at > now_at:
        return Judged(subject, figures)
    when = "was to be renewed" if one.due_at <= now_at else "has to be renewed"
    more = f" and {len(one.used_by) - _SHOWN} more" if len(one.used_by) > _SHOWN else ""
    users = f" (used by {', '.join(one.used_by[:_SHOWN])}{more})" if one.used_by else ""
    finding = Finding(
        subject=subject,
        severity=Severity.NOTIFY,
        text=f"the secret {one.name} {when} by {one.day}{users}",
        since_at=since_at,
        hint=f"Renew it, then move its date: {one.name} in [secrets.due] of the configuration.",
        facts=figures,
    )
    return Judged(subject, figures, finding)


MONITOR = Monitor(
    kind=IncidentKind.SECRET_DUE,
    line="A secret has to be renewed.",
    rule="Wrong from before_ms ahead of due_at on, the begin of the day that [secrets.due] states, until that is moved.",
    tuning=SecretDueTuning(),
    judge=judge,
    of_automations=False,
)
