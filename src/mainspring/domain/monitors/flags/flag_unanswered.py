"""Flag unanswered: code asked for a flag that does not exist, or that is of another type, and got its own default."""

import shlex
from collections.abc import Iterator
from operator import attrgetter

from mainspring.domain.flags.flag import FlagReason
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.flag_inputs import UnansweredFlag, describe_owner, describe_users
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.text.escaping import escape

_MOST_FLAGS = 100
"""Code that builds the names of flags from data could otherwise open an incident for each value."""


def evaluate(facts: MonitorInputs, _tuning: Tuning, _now_at: int) -> Iterator[Evaluation]:
    """Evaluate the flags with such questions, up to 100, by name; of several reasons the last one counts."""
    by_name = {item.name: item for item in sorted(facts.unanswered, key=attrgetter("last_at"))}
    for name, unanswered in sorted(by_name.items())[:_MOST_FLAGS]:
        problem, fix = _describe(unanswered)
        metrics = {"users": [user or "a program" for user in unanswered.users], "last_at": unanswered.last_at}
        yield evaluate_subject(
            Subject("", IncidentKind.FLAG_UNANSWERED, name),
            Severity.NOTIFY,
            {**metrics, "reason": unanswered.reason.value},
            unanswered.first_at,
            f"{describe_users(unanswered.users)} asked for flag {escape(name, 200)} and got the default of the code: {problem}",
            hint=fix,
        )


def _describe(unanswered: UnansweredFlag) -> tuple[str, str]:
    """Return the problem and its fix."""
    word, flag = shlex.quote(unanswered.name), unanswered.flag
    if unanswered.reason is FlagReason.STORE_UNREACHABLE:
        return "the store did not answer", "Check the connection of that process to the store: mainspring doctor"
    if unanswered.reason is FlagReason.PROVIDER_FAILED:
        return (
            "its provider failed, or has no such flag of this type",
            "The logs of these processes have the reason: `flags.provider`",
        )
    if flag is None:
        near = (
            f"Did you mean {unanswered.nearest!r}? Correct the name in the code, or create"
            if unanswered.nearest
            else "Create"
        )
        return "there is no such flag", f"{near} the flag: mainspring flags set {word}"
    kind = f"the flag is of type {flag.kind} {describe_owner(flag)}, and the default in the code is not"
    return kind, f"Use a default of type {flag.kind} in the code. See: mainspring flags show {word}"


MONITOR = Monitor(
    kind=IncidentKind.FLAG_UNANSWERED,
    line="Code asked for a flag that does not exist or has another type, or that nothing answered, and got its own default.",
    rule="Open while code got such an answer in the last 24 h, and the flag is still missing, or still of that type.",
    tuning=Tuning(),
    evaluate=evaluate,
    of_automations=False,
)
