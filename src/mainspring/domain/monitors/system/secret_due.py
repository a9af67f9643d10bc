"""Secret due: a secret that has to be renewed by a day that `[secrets.due]` of the configuration states."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import DueSecret, MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms

_SHOWN = 5


class SecretDueTuning(Tuning, frozen=True, kw_only=True):
    """`before`: how long ahead it is told."""

    before: TuningSpan = timedelta(days=14)


def evaluate(facts: MonitorInputs, tuning: SecretDueTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each secret that has a date."""
    for one in facts.secrets:
        yield _evaluate_secret(one, tuning, now_at)


def _evaluate_secret(one: DueSecret, tuning: SecretDueTuning, now_at: int) -> Evaluation:
    subject = Subject("", IncidentKind.SECRET_DUE, one.name)
    since_at = one.due_at - to_ms(tuning.before)
    figures = {"due_at": one.due_at, "before_ms": to_ms(tuning.before), "used_by": list(one.used_by)}
    if since_at > now_at:
        return Evaluation(subject, figures)
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
    return Evaluation(subject, figures, finding)


MONITOR = Monitor(
    kind=IncidentKind.SECRET_DUE,
    line="A secret has to be renewed.",
    rule="Wrong from before_ms ahead of due_at on, the begin of the day that [secrets.due] states, until that is moved.",
    tuning=SecretDueTuning(),
    judge=evaluate,
    of_automations=False,
)
