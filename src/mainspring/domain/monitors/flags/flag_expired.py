"""Flag expired: a flag is past its expiry date and still there."""

import shlex
from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.flag_inputs import describe_owner, describe_users
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject
from mainspring.domain.monitors.tuning import Tuning


def evaluate(facts: MonitorInputs, _tuning: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each flag that has an expiry date."""
    for watched in facts.flags:
        flag, users = watched.flag, watched.users
        if flag.expires_at is None:
            continue
        word = shlex.quote(flag.name)
        questions = f"; {describe_users(users)} asked for it in the last 7 days" if users else ""
        yield evaluate_subject(
            Subject("", IncidentKind.FLAG_EXPIRED, flag.name),
            Severity.NOTIFY,
            {"expires_at": flag.expires_at, "owner": flag.owner, "users": [user or "a program" for user in users]},
            flag.expires_at if flag.expires_at <= now_at else None,
            f"flag {flag.name} is past its expiry date {describe_owner(flag)}{questions}",
            hint=f"Remove it from the code, then: mainspring flags delete {word}. "
            f"Or move the date: mainspring flags set {word} --expires 30d",
        )


MONITOR = Monitor(
    kind=IncidentKind.FLAG_EXPIRED,
    line="A flag is past its expiry date.",
    rule="Opens at expires_at. Resolves when the flag is deleted, or its date is moved.",
    tuning=Tuning(),
    evaluate=evaluate,
    of_automations=False,
)
