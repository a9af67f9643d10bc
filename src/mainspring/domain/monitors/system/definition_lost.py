"""Definition lost: an automation that ran is no longer defined, or fails to load; and files that fail to load before they were known."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_correlation import LOAD_FAILURE_PREFIX
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation, WatchedProcess
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation, evaluate_subject
from mainspring.domain.monitors.system.worker_lost import COMMAND_KINDS
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind

_WORKER_ROLES = frozenset({"worker", "app", "dev"})

_LONGEST_CAUSE = 500
"""Characters: a cause names an incident, and a key of the store has a limited length."""


class DefinitionLostTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: how long no worker may announce it, since workers last started or ended."""

    missing: TuningSpan = timedelta(minutes=5)


def evaluate(facts: MonitorInputs, tuning: DefinitionLostTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation that ran or is expected to; without any worker the state is unknown, which another monitor reports."""
    workers = [
        process for process in facts.processes if process.role in _WORKER_ROLES and not process.gone and process.serves
    ]
    settled_at = _last_worker_change(workers, facts)
    yield from _evaluate_files(workers, facts)
    for automation in facts.expected(now_at):
        if automation.kind in COMMAND_KINDS:
            continue
        kind, subject = IncidentKind.DEFINITION_LOST, Subject(automation.name, IncidentKind.DEFINITION_LOST)
        if automation.problem is not None:
            metrics = {"problem": automation.problem, "announced_at": automation.announced_at}
            lines = automation.problem.strip().splitlines()
            # A problem begins with its place: a module that fails to load declares nothing. The error follows.
            message = lines[min(1, len(lines) - 1)] if lines else "no error was recorded"
            text = f"it fails to load: {message}"
            cause = f"{LOAD_FAILURE_PREFIX}{lines[0]}: {message}"[:_LONGEST_CAUSE] if len(lines) > 1 else None
            hint = (
                "Fix its module, then restart the workers. If it is not needed any more: mainspring auto retire "
                f"{automation.name}"
            )
            yield evaluate_automation(automation, kind, metrics, automation.announced_at, text, hint=hint, cause=cause)
        elif (is_awaited := _is_awaited(automation)) or _has_run(automation):
            # A process that only ran it may have announced it since.
            since_at = max(settled_at, automation.announced_at)
            service_counts = {"served": automation.served, "workers": len(workers), "settled_at": since_at}
            if automation.served or not workers:
                unsure = None if automation.served else "no worker is running that could announce it"
                yield Evaluation(subject, service_counts, unsure=unsure)
                continue
            service_counts["longest_ms"] = to_ms(tuning.missing)
            is_missing = subject in facts.open or now_at - since_at >= to_ms(tuning.missing)
            text = "no running worker has loaded it: its file is newer than they are, or its definition is gone"
            hint = (
                f"Check the file, then restart the workers: mainspring down; {automation.up_command}. If it is not "
                f"needed any more: mainspring auto retire {automation.name}"
            )
            # An automation that only starts on request keeps no one waiting.
            at_most = Severity.PAGE if is_awaited else Severity.DIGEST
            missing_at = min(since_at, now_at) if is_missing else None
            yield evaluate_automation(automation, kind, service_counts, missing_at, text, hint=hint, at_most=at_most)


def _evaluate_files(workers: list[WatchedProcess], facts: MonitorInputs) -> Iterator[Evaluation]:
    """Evaluate each file that a worker could not load and from which no automation is known: it belongs to the project."""
    kind = IncidentKind.DEFINITION_LOST
    findings: dict[str, tuple[WatchedProcess, ProcessFinding]] = {}
    for worker in workers:
        for finding in worker.findings:
            if finding.kind is ProcessFindingKind.LOAD:
                findings.setdefault(finding.name[-_LONGEST_CAUSE:], (worker, finding))
    for name, (worker, finding) in findings.items():
        problem, _, fix = finding.why.partition("\n")
        yield evaluate_subject(
            Subject("", kind, name),
            Severity.NOTIFY,
            {"problem": problem, "host": worker.host, "pid": worker.pid},
            finding.since_at,
            problem,
            hint=f"{fix} Then restart the workers: mainspring down; mainspring up",
        )
    if not workers:
        for subject in facts.open:
            if subject.kind is kind and not subject.automation:
                yield Evaluation(subject, {}, unsure="no worker is running that could load it")


def _is_awaited(automation: WatchedAutomation) -> bool:
    return bool(automation.cadences) or automation.listens or automation.waiting is not None


def _has_run(automation: WatchedAutomation) -> bool:
    return automation.succeeded_at is not None or bool(automation.ends) or automation.running_since_at is not None


def _last_worker_change(workers: list[WatchedProcess], facts: MonitorInputs) -> int:
    """Return when a worker last started or ended: until then another one may have announced it, or may be about to."""
    first = min((worker.opened_at for worker in workers), default=0)
    return max([first, *(facts.last_ended.get(role, 0) for role in _WORKER_ROLES)])


MONITOR = Monitor(
    kind=IncidentKind.DEFINITION_LOST,
    line="An automation that ran is no longer defined, or does not load.",
    rule=(
        "Open while it has a problem: it does not load. A file that a live worker cannot load, and from which no automation is "
        "known, has an incident of the project until a worker loads it or no longer names it. Open too if workers run and "
        "served is 0 for longest_ms since settled_at. Without a schedule, a listener or waiting runs, the severity is then "
        "digest. settled_at is when a worker last ended, the first of them began, or it was announced."
    ),
    tuning=DefinitionLostTuning(),
    evaluate=evaluate,
)
