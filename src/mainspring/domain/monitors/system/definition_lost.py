"""Definition lost: an automation that ran is no longer defined, or fails to load."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_correlation import LOAD_FAILURE_PREFIX
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation, WatchedProcess
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.system.worker_lost import COMMAND_KINDS
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms

_WORKER_ROLES = frozenset({"worker", "app", "dev"})

_LONGEST_CAUSE = 500
"""Characters: it names an incident, and no key of a store takes all that a module may say."""


class DefinitionLostTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: so long may it be announced by nobody, since workers last came or went."""

    missing: TuningSpan = timedelta(minutes=5)


def evaluate(facts: MonitorInputs, tuning: DefinitionLostTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each automation that ran or is waited for; without any worker nothing can be said, and that is told elsewhere."""
    workers = [one for one in facts.processes if one.role in _WORKER_ROLES and not one.gone and one.serves]
    settled_at = _last_worker_change(workers, facts)
    for one in facts.expected(now_at):
        if one.kind in COMMAND_KINDS:
            continue
        kind, subject = IncidentKind.DEFINITION_LOST, Subject(one.name, IncidentKind.DEFINITION_LOST)
        if one.problem is not None:
            figures = {"problem": one.problem, "announced_at": one.announced_at}
            lines = one.problem.strip().splitlines()
            # A problem begins with where it is: a module keeps out all that it would have declared. Then comes what is wrong.
            message = lines[min(1, len(lines) - 1)] if lines else "no error was recorded"
            text = f"it fails to load: {message}"
            cause = f"{LOAD_FAILURE_PREFIX}{lines[0]}: {message}"[:_LONGEST_CAUSE] if len(lines) > 1 else None
            hint = f"Mend its module and start the workers anew; if it is over: mainspring auto retire {one.name}"
            yield evaluate_automation(one, kind, figures, one.announced_at, text, hint=hint, cause=cause)
        elif (is_awaited := _is_awaited(one)) or _has_run(one):
            counted = {"served": one.served, "workers": len(workers), "settled_at": settled_at}
            if one.served or not workers:
                unsure = None if one.served else "no worker lives that could announce it"
                yield Evaluation(subject, counted, unsure=unsure)
                continue
            counted["longest_ms"] = to_ms(tuning.missing)
            wrong = subject in facts.open or now_at - settled_at >= to_ms(tuning.missing)
            text = "no worker has it any more: its definition is gone from what they load"
            hint = (
                f"Restore it and start the workers anew: mainspring down; {one.up_command}; "
                f"if it is over: mainspring auto retire {one.name}"
            )
            since_at = min(settled_at, now_at) if wrong else None
            # What starts only when somebody asks for it keeps nobody waiting.
            at_most = Severity.PAGE if is_awaited else Severity.DIGEST
            yield evaluate_automation(one, kind, counted, since_at, text, hint=hint, at_most=at_most)


def _is_awaited(one: WatchedAutomation) -> bool:
    return bool(one.cadences) or one.listens or one.waiting is not None


def _has_run(one: WatchedAutomation) -> bool:
    return one.succeeded_at is not None or bool(one.ends) or one.running_since_at is not None


def _last_worker_change(workers: list[WatchedProcess], facts: MonitorInputs) -> int:
    """Return when a worker last came or went: until then another one may have had it, or may be about to."""
    first = min((one.opened_at for one in workers), default=0)
    return max([first, *(facts.last_ended.get(role, 0) for role in _WORKER_ROLES)])


MONITOR = Monitor(
    kind=IncidentKind.DEFINITION_LOST,
    line="An automation that ran is no longer defined, or fails to load.",
    rule=(
        "Wrong while it has a problem; and while workers live but served is 0, for longest_ms since one last "
        "ended or the first of them began (settled_at), where it has a schedule, listens, or runs of it wait; in "
        "the digest where it only ran before."
    ),
    tuning=DefinitionLostTuning(),
    judge=evaluate,
)
