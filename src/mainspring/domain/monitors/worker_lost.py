"""Worker lost: a process that is needed is dead, blocked or missing.

A worker is needed for what has a schedule, listens or waits, a scheduler for what has a next slot, and whatever a living
supervisor keeps. Who gives no sign of life for long is not taken for alive, and a moment of life after a death is none:
what dies whenever it is started is there each time that somebody looks.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts, Process
from mainspring.domain.monitors.judged import Judged, Monitor, loudest
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.monitors.words import about
from mainspring.domain.roles import Role

COMMAND_KINDS = frozenset({"exec"})
"""Nobody but their caller starts them."""
_STANDS_FOR = {Role.WORKER: frozenset({"worker", "app", "dev"}), Role.SCHEDULER: frozenset({"scheduler", "app", "dev"})}
_SUPERVISOR = "supervisor"
STEADY_MS = 30_000
"""So long has a process to live until it counts, where one of its role died as shortly before it began."""
_PAUSES_MS = 10 * 60_000
"""Whoever starts something again and again waits no longer in between: once it is told, a life within it has to last too."""


class WorkerLostTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: so long may nobody of a role be there; `silent`: so long may a process give no sign of life."""

    missing: Length = timedelta(minutes=5)
    silent: Length = timedelta(seconds=30)


def judge(facts: Facts, tuning: WorkerLostTuning, now_at: int) -> Iterator[Judged]:
    """Judge each role that is needed, then each process of a role of which others are well."""
    severity = loudest(facts.expected(now_at))
    for role, (why, since_at) in sorted(_needed(facts, now_at).items()):
        stands_for = _STANDS_FOR.get(role, frozenset({role.value}))
        those = [one for one in facts.processes if one.role in stands_for]
        died_at = facts.last_died.get(role.value, 0)
        is_told = Subject("", IncidentKind.WORKER_LOST, role.value) in facts.open
        within_ms = _PAUSES_MS if is_told else STEADY_MS
        counted = [one for one in those if _is_steady(one) or not _follows_death(one, died_at, within_ms)]
        alive = [one for one in counted if _is_alive(one, tuning, now_at)]
        # A supervisor that is started again and again begins no new waiting each time.
        begun_at = 0 if is_told and facts.last_seen.get(role.value) else since_at
        seen_at = max([begun_at, *(one.beat_at for one in counted), facts.last_seen.get(role.value, 0)])
        yield _of_role(role, why, seen_at, those, alive, died_at, severity, tuning, now_at)
        if alive:
            yield from (
                _of_process(one, severity, tuning, now_at)
                for one in those
                if not one.gone and not _is_alive(one, tuning, now_at)
            )


def _needed(facts: Facts, now_at: int) -> dict[Role, tuple[str, int]]:
    """Return why each role is needed, and since when."""
    found: dict[Role, tuple[str, int]] = {}
    for process in facts.processes:
        if process.role == _SUPERVISOR and not process.gone and not process.draining:
            why = f"pid {process.pid} of {process.host} keeps one"
            found |= {Role(post): (why, process.opened_at) for post in process.posts}
    needy = [
        one
        for one in facts.expected(now_at)
        if one.kind not in COMMAND_KINDS and (one.cadences or one.listens or one.waiting)
    ]
    for one in sorted(needy, key=lambda one: one.announced_at):
        found.setdefault(Role.WORKER, (f"{one.name} needs one", one.announced_at))
        if any(cadence.next_slot_at is not None for cadence in one.cadences):
            found.setdefault(Role.SCHEDULER, (f"{one.name} has a schedule", one.announced_at))
    return found


def _is_alive(one: Process, tuning: WorkerLostTuning, now_at: int) -> bool:
    return not one.gone and not one.draining and not _is_silent(one, tuning, now_at)


def _is_silent(one: Process, tuning: WorkerLostTuning, now_at: int) -> bool:
    return now_at - one.beat_at >= ms(tuning.silent)


def _is_steady(one: Process) -> bool:
    return one.beat_at - one.opened_at >= STEADY_MS


def _follows_death(one: Process, died_at: int, within_ms: int) -> bool:
    """Whether this life may be no more than a moment between two deaths."""
    return one.gone or one.opened_at - died_at < within_ms


def _of_role(
    role: Role,
    why: str,
    seen_at: int,
    those: list[Process],
    alive: list[Process],
    died_at: int,
    severity: Severity,
    tuning: WorkerLostTuning,
    now_at: int,
) -> Judged:
    subject = Subject("", IncidentKind.WORKER_LOST, role.value)
    figures: dict[str, Any] = {"role": role.value, "needed": why, "alive": len(alive), "seen_at": seen_at}
    figures["missing_ms"] = 0 if alive else now_at - seen_at
    figures["longest_ms"] = ms(tuning.missing)
    if alive or now_at - seen_at < ms(tuning.missing):
        return Judged(subject, figures)
    blocked = next(
        (one for one in those if not one.gone and not one.draining and _is_silent(one, tuning, now_at)), None
    )
    what, why_so, hint = "gives a sign of life", "", "mainspring up"
    if blocked is not None:
        why_so = f": pid {blocked.pid} of {blocked.host} is stopped or blocked"
        hint = "mainspring down, then mainspring up"
    elif died_at > seen_at:
        what, why_so = "stays alive", ": the last one died soon after its start"
        hint = "What mainspring up writes to its log tells how it ends"
    finding = Finding(
        subject=subject,
        severity=severity,
        text=f"no {role.value} {what} for {about(now_at - seen_at)}{why_so} ({why})",
        since_at=seen_at,
        hint=hint,
        facts=figures,
        cause=None if blocked is None else f"host:{blocked.host}",
    )
    return Judged(subject, figures, finding)


def _of_process(one: Process, severity: Severity, tuning: WorkerLostTuning, now_at: int) -> Judged:
    subject = Subject("", IncidentKind.WORKER_LOST, f"{one.role}:{one.session}")
    silent_ms = now_at - one.beat_at
    figures = {
        "role": one.role,
        "pid": one.pid,
        "host": one.host,
        "silent_ms": silent_ms,
        "longest_ms": ms(tuning.silent),
    }
    if one.draining or silent_ms < ms(tuning.silent):
        return Judged(subject, figures)
    finding = Finding(
        subject=subject,
        severity=severity.at_most(Severity.NOTIFY),
        text=f"{one.role} pid {one.pid} of {one.host} gives no sign of life for {about(silent_ms)}: it is stopped or blocked",
        since_at=one.beat_at,
        hint=f"Let it go on: kill -CONT {one.pid}; or: mainspring workers quarantine {one.session}",
        facts=figures,
        cause=f"host:{one.host}",
    )
    return Judged(subject, figures, finding)


MONITOR = Monitor(
    kind=IncidentKind.WORKER_LOST,
    line="A process that is needed is dead, blocked or missing.",
    rule=(
        "Wrong while a role is needed, nobody of it is alive, and that for longest_ms since the last sign of "
        "life at seen_at. Right after a death (once it is told, within 10 minutes) only a life of 30 s counts: what dies "
        "whenever it is started is not alive. "
        "Beside others of its role a process is wrong that gave no sign for 30 s."
    ),
    tuning=WorkerLostTuning(),
    judge=judge,
    of_automations=False,
)
