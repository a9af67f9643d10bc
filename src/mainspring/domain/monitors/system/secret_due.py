"""Secret due: a secret that has to be renewed by a day that `[secrets.due]` of the configuration states."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import DueSecret, MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms

_MAX_LISTED_USERS = 5


class SecretDueTuning(Tuning, frozen=True, kw_only=True):
    """`before`: how long before the day the notification is sent."""

    before: TuningSpan = timedelta(days=14)


def evaluate(facts: MonitorInputs, tuning: SecretDueTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each secret that has a date."""
    for secret in facts.secrets:
        yield _evaluate_secret(secret, tuning, now_at)


def _evaluate_secret(secret: DueSecret, tuning: SecretDueTuning, now_at: int) -> Evaluation:
    subject = Subject("", IncidentKind.SECRET_DUE, secret.name)
    since_at = secret.due_at - to_ms(tuning.before)
    metrics = {"due_at": secret.due_at, "before_ms": to_ms(tuning.before), "used_by": list(secret.used_by)}
    if since_at > now_at:
        return Evaluation(subject, metrics)
    when = "should have been renewed" if secret.due_at <= now_at else "has to be renewed"
    more = f" and {len(secret.used_by) - _MAX_LISTED_USERS} more" if len(secret.used_by) > _MAX_LISTED_USERS else ""
    users = f" (used by {', '.join(secret.used_by[:_MAX_LISTED_USERS])}{more})" if secret.used_by else ""
    finding = Finding(
        subject=subject,
        severity=Severity.NOTIFY,
        text=f"the secret {secret.name} {when} by {secret.day}{users}",
        since_at=since_at,
        hint=f"Renew it, then change its date: {secret.name} in [secrets.due] of the configuration.",
        facts=metrics,
    )
    return Evaluation(subject, metrics, finding)


MONITOR = Monitor(
    kind=IncidentKind.SECRET_DUE,
    line="A secret must be renewed.",
    rule="Opens before_ms before due_at, the start of the day in [secrets.due]. Resolves when you change that day.",
    tuning=SecretDueTuning(),
    evaluate=evaluate,
    of_automations=False,
)
