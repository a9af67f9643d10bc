"""Worker lost: a process that is needed is dead, blocked or missing.

A worker is needed by automations with a schedule, a listener or waiting runs, a scheduler by those with a next slot, and every role that a
living supervisor keeps. A process without a heartbeat for long does not count as alive, and a short life after a death does not count
either: a process that dies at each start would look alive at each check. A process that reports that its loop is blocked is named by the
place that blocks it: the next process that claims its runs is blocked there too, and that is one cause.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from mainspring.domain.failures.error_location import locate_function
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedProcess
from mainspring.domain.monitors.monitor import Evaluation, Monitor, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.text.phrases import format_span

COMMAND_KINDS = frozenset({"exec"})
"""Only their caller starts them."""
_EQUIVALENT_ROLES = {
    ProcessRole.WORKER: frozenset({"worker", "app", "dev"}),
    ProcessRole.SCHEDULER: frozenset({"scheduler", "app", "dev"}),
}
_SUPERVISOR = "supervisor"
STEADY_AFTER_MS = 30_000
"""How long a process has to live until it counts, if one of its role died that shortly before it began."""
_RESTART_WINDOW_MS = 10 * 60_000
"""Once an incident is open, a restarted process has to last too if the last death was within this time."""

_BLOCKED_PREFIX = "blocked:"
_SUCCESSOR_WINDOW_MS = 60_000
"""How long after the death of a blocked process it shows whether the next one, which claims its run, is blocked."""


class WorkerLostTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: how long no process of a role may be alive; `silent`: how long a process may give no heartbeat."""

    missing: TuningSpan = timedelta(minutes=5)
    silent: TuningSpan = timedelta(seconds=30)


def evaluate(facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each place that blocks a loop, then each role that is needed, then each silent process of a role that others fill."""
    severity = highest_tier(facts.expected(now_at))
    blocked = list(_evaluate_blocked(facts, severity, tuning, now_at))
    yield from blocked
    is_explained = any(place.finding is not None or place.unsure for place in blocked)
    needed_roles = {
        role: _describe_role(role, reason, since_at, facts, tuning, now_at)
        for role, (reason, since_at) in sorted(_find_needed_roles(facts, now_at).items())
    }
    lost_together = set() if is_explained else _roles_lost_with_worker(needed_roles, facts, tuning)
    for role, needed in needed_roles.items():
        evaluation = _evaluate_role(
            needed, lost_together if role is ProcessRole.WORKER else (), severity, tuning, now_at
        )
        is_reported_elsewhere = role in lost_together or (is_explained and role is ProcessRole.WORKER)
        yield Evaluation(evaluation.subject, evaluation.figures) if is_reported_elsewhere else evaluation
        if needed.alive:
            yield from (
                _evaluate_process(process, severity, tuning, now_at)
                for process in needed.processes
                if not process.gone and process.blocked is None and not _is_alive(process, tuning, now_at)
            )


class _NeededRole(NamedTuple):
    """A role that is needed: the reason, its last heartbeat, its processes, the live ones, and the last death."""

    role: ProcessRole
    reason: str
    seen_at: int
    processes: list[WatchedProcess]
    alive: list[WatchedProcess]
    died_at: int

    @property
    def subject(self) -> Subject:
        return Subject("", IncidentKind.WORKER_LOST, self.role.value)


def _describe_role(
    role: ProcessRole, reason: str, since_at: int, facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int
) -> _NeededRole:
    equivalent_roles = _EQUIVALENT_ROLES.get(role, frozenset({role.value}))
    processes = [process for process in facts.processes if process.role in equivalent_roles]
    died_at = facts.last_died.get(role.value, 0)
    is_open = Subject("", IncidentKind.WORKER_LOST, role.value) in facts.open
    within_ms = _RESTART_WINDOW_MS if is_open else STEADY_AFTER_MS
    counted = [
        process for process in processes if _is_steady(process) or not _follows_death(process, died_at, within_ms)
    ]
    alive = [process for process in counted if _is_alive(process, tuning, now_at)]
    # A supervisor that is started again and again does not reset the wait each time.
    expected_from_at = 0 if is_open and facts.last_seen.get(role.value) else since_at
    seen_at = max([expected_from_at, *(process.beat_at for process in counted), facts.last_seen.get(role.value, 0)])
    return _NeededRole(role, reason, seen_at, processes, alive, died_at)


def _roles_lost_with_worker(
    needed_roles: Mapping[ProcessRole, _NeededRole], facts: MonitorInputs, tuning: WorkerLostTuning
) -> set[ProcessRole]:
    """Return the roles that were lost together with the worker, as when `mainspring up` ended: one problem, reported for the worker.

    A role with an open incident of its own keeps it.
    """
    worker = needed_roles.get(ProcessRole.WORKER)
    if worker is None or worker.alive:
        return set()
    return {
        role
        for role, needed in needed_roles.items()
        if role is not ProcessRole.WORKER
        and not needed.alive
        and abs(needed.seen_at - worker.seen_at) < to_ms(tuning.silent)
        and needed.subject not in facts.open
    }


def _evaluate_blocked(
    facts: MonitorInputs, severity: Severity, tuning: WorkerLostTuning, now_at: int
) -> Iterator[Evaluation]:
    """Evaluate each place at which processes report that they are blocked, by the one that has been blocked longest."""
    places: dict[str, list[WatchedProcess]] = defaultdict(list)
    for process in facts.processes:
        if process.blocked is not None and not process.gone:
            places[locate_function(list(process.blocked.stack)) or process.blocked.stack[-1]].append(process)
    has_working_process = any(
        process.role in _EQUIVALENT_ROLES[ProcessRole.WORKER]
        and process.blocked is None
        and _is_alive(process, tuning, now_at)
        for process in facts.processes
    )
    for place, processes in sorted(places.items()):
        first = min(processes, key=lambda process: (_blocked_since_ms(process), process.session))
        yield _evaluate_place(
            place, first, severity.at_most(Severity.NOTIFY) if has_working_process else severity, facts, tuning, now_at
        )
    died_at = max(facts.last_died.get("worker", 0), facts.last_died.get("probation", 0))
    if now_at - died_at < _SUCCESSOR_WINDOW_MS:
        unsure = "the blocked process died, and it is not known yet whether the next one is blocked, too"
        for subject in facts.open:
            place = subject.fingerprint.removeprefix(_BLOCKED_PREFIX)
            if subject.kind is IncidentKind.WORKER_LOST and place != subject.fingerprint and place not in places:
                yield Evaluation(subject, {"died_at": died_at}, unsure=unsure)


def _blocked_since_ms(process: WatchedProcess) -> int:
    return 0 if process.blocked is None else process.blocked.since_at


def _evaluate_place(
    place: str, process: WatchedProcess, severity: Severity, facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int
) -> Evaluation:
    subject = Subject("", IncidentKind.WORKER_LOST, f"{_BLOCKED_PREFIX}{place}")
    since_at = _blocked_since_ms(process)
    stack, run = ((), None) if process.blocked is None else (process.blocked.stack, process.blocked.run)
    where = next((line for line in reversed(stack) if locate_function([line]) == place), place)
    metrics = {
        "role": process.role,
        "pid": process.pid,
        "host": process.host,
        "blocked_ms": now_at - since_at,
        "longest_ms": to_ms(tuning.silent),
        "place": where,
        "run": run,
    }
    # The incident stays open while the next process that claims the run may come to the same place.
    if now_at - since_at < to_ms(tuning.silent) and subject not in facts.open:
        return Evaluation(subject, metrics)
    finding = Finding(
        subject=subject,
        severity=severity,
        text=(
            f"{process.role} pid {process.pid} of {process.host} is blocked for {format_span(now_at - since_at)} at {where}"
            f"{f', run {run}' if run else ''}"
        ),
        since_at=since_at,
        hint=(
            "Put blocking code into a plain def, which runs in its own thread. To end it now: "
            + (f"mainspring runs cancel {run}, then " if run else "")
            + f"mainspring workers quarantine {process.session}"
        ),
        facts=metrics,
        cause=f"place:{place}",
    )
    return Evaluation(subject, metrics, finding)


def _find_needed_roles(facts: MonitorInputs, now_at: int) -> dict[ProcessRole, tuple[str, int]]:
    """Return the reason why each role is needed, and since when."""
    needed: dict[ProcessRole, tuple[str, int]] = {}
    for process in facts.processes:
        if process.role == _SUPERVISOR and not process.gone and not process.draining:
            reason = f"pid {process.pid} of {process.host} needs one"
            needed |= {ProcessRole(role): (reason, process.opened_at) for role in process.posts}
    waiting = [
        automation
        for automation in facts.expected(now_at)
        if automation.kind not in COMMAND_KINDS and (automation.cadences or automation.listens or automation.waiting)
    ]
    for automation in sorted(waiting, key=lambda automation: automation.announced_at):
        needed.setdefault(ProcessRole.WORKER, (f"{automation.name} needs one", automation.announced_at))
        if any(cadence.next_slot_at is not None for cadence in automation.cadences):
            needed.setdefault(ProcessRole.SCHEDULER, (f"{automation.name} has a schedule", automation.announced_at))
    return needed


def _is_alive(process: WatchedProcess, tuning: WorkerLostTuning, now_at: int) -> bool:
    return not process.gone and not process.draining and not _is_silent(process, tuning, now_at)


def _is_silent(process: WatchedProcess, tuning: WorkerLostTuning, now_at: int) -> bool:
    return now_at - process.beat_at >= to_ms(tuning.silent)


def _is_steady(process: WatchedProcess) -> bool:
    return process.beat_at - process.opened_at >= STEADY_AFTER_MS


def _follows_death(process: WatchedProcess, died_at: int, within_ms: int) -> bool:
    """Whether this life may be no more than a moment between two deaths."""
    return process.gone or process.opened_at - died_at < within_ms


def _evaluate_role(
    needed: _NeededRole,
    lost_together: Collection[ProcessRole],
    severity: Severity,
    tuning: WorkerLostTuning,
    now_at: int,
) -> Evaluation:
    """Evaluate a role; `lost_together` = the roles that were lost with it."""
    role, reason, seen_at, processes, alive, died_at = needed
    subject = needed.subject
    metrics: dict[str, Any] = {"role": role.value, "needed": reason, "alive": len(alive), "seen_at": seen_at}
    metrics["missing_ms"] = 0 if alive else now_at - seen_at
    metrics["longest_ms"] = to_ms(tuning.missing)
    if alive or now_at - seen_at < to_ms(tuning.missing):
        return Evaluation(subject, metrics)
    blocked = next(
        (
            process
            for process in processes
            if not process.gone and not process.draining and _is_silent(process, tuning, now_at)
        ),
        None,
    )
    missing_sign, explanation, hint = "has sent a heartbeat", "", "mainspring up"
    if blocked is not None:
        explanation = f": pid {blocked.pid} of {blocked.host} is stopped or blocked"
        hint = "mainspring down, then mainspring up"
    elif died_at > seen_at:
        missing_sign, explanation = "stays running", f": the last one died {format_span(now_at - died_at)} ago"
        hint = "The log of mainspring up shows how it ends"
    finding = Finding(
        subject=subject,
        severity=severity,
        text=f"{' and '.join(f'no {name}' for name in (role.value, *sorted(lost_together)))} {missing_sign} "
        f"for {format_span(now_at - seen_at)}{explanation} ({reason})",
        since_at=seen_at,
        hint=hint,
        facts=metrics,
        cause=None if blocked is None else f"host:{blocked.host}",
    )
    return Evaluation(subject, metrics, finding)


def _evaluate_process(process: WatchedProcess, severity: Severity, tuning: WorkerLostTuning, now_at: int) -> Evaluation:
    subject = Subject("", IncidentKind.WORKER_LOST, f"{process.role}:{process.session}")
    silent_ms = now_at - process.beat_at
    metrics = {
        "role": process.role,
        "pid": process.pid,
        "host": process.host,
        "silent_ms": silent_ms,
        "longest_ms": to_ms(tuning.silent),
    }
    if process.draining or silent_ms < to_ms(tuning.silent):
        return Evaluation(subject, metrics)
    finding = Finding(
        subject=subject,
        severity=severity.at_most(Severity.NOTIFY),
        text=f"{process.role} pid {process.pid} of {process.host} has sent no heartbeat for "
        f"{format_span(silent_ms)}: it is stopped or blocked",
        since_at=process.beat_at,
        hint=f"Continue it: kill -CONT {process.pid}; or: mainspring workers quarantine {process.session}",
        facts=metrics,
        cause=f"host:{process.host}",
    )
    return Evaluation(subject, metrics, finding)


MONITOR = Monitor(
    kind=IncidentKind.WORKER_LOST,
    line="A required process is dead, blocked or missing.",
    rule=(
        "For a role: open if it is required and none of its processes has lived for longest_ms since seen_at, the last sign "
        "of life. A process that could die at once again does not count at first: one that starts within 30 s after another "
        "process of its role died counts after 30 s of life. While the incident is open, this holds for one that starts within "
        "10 min after a death. For a process beside others of its role: open if it gives no sign of life for 30 s. For a "
        "process whose event loop is blocked: open after 30 s. This incident is about the place in the code that blocks, not "
        "about the role, and resolves when the loop continues. If the incident of that place is still open, a new block "
        "belongs to it at once. A role that was lost within 30 s of the last worker is part of that incident."
    ),
    tuning=WorkerLostTuning(),
    evaluate=evaluate,
    of_automations=False,
)
