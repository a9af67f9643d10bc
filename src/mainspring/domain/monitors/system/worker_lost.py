"""Worker lost: a process that is needed is dead, blocked or missing.

A worker is needed for what has a schedule, listens or waits, a scheduler for what has a next slot, and whatever a living
supervisor keeps. Who gives no sign of life for long is not taken for alive, and a moment of life after a death is none:
what dies whenever it is started is there each time that somebody looks. A process that says itself that its loop is blocked is told by
what blocks it: whoever takes its runs next is blocked there too, and that is one cause.
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
"""Nobody but their caller starts them."""
_EQUIVALENT_ROLES = {
    ProcessRole.WORKER: frozenset({"worker", "app", "dev"}),
    ProcessRole.SCHEDULER: frozenset({"scheduler", "app", "dev"}),
}
_SUPERVISOR = "supervisor"
STEADY_AFTER_MS = 30_000
"""So long has a process to live until it counts, where one of its role died as shortly before it began."""
_RESTART_WINDOW_MS = 10 * 60_000
"""Whoever starts something again and again waits no longer in between: once it is told, a life within it has to last too."""

_BLOCKED_PREFIX = "blocked:"
_SUCCESSOR_WINDOW_MS = 60_000
"""So long after the death of one that was blocked it shows whether the next one, which takes its run, is."""


class WorkerLostTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: so long may nobody of a role be there; `silent`: so long may a process give no sign of life."""

    missing: TuningSpan = timedelta(minutes=5)
    silent: TuningSpan = timedelta(seconds=30)


def evaluate(facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge what is blocked, then each role that is needed, then each process of a role of which others are well."""
    severity = highest_tier(facts.expected(now_at))
    blocked = list(_evaluate_blocked(facts, severity, tuning, now_at))
    yield from blocked
    is_explained = any(one.finding is not None or one.unsure for one in blocked)
    posts = {
        role: _describe_role(role, why, since_at, facts, tuning, now_at)
        for role, (why, since_at) in sorted(_find_needed_roles(facts, now_at).items())
    }
    together = set() if is_explained else _roles_lost_with_worker(posts, facts, tuning)
    for role, post in posts.items():
        judged = _evaluate_role(post, together if role is ProcessRole.WORKER else (), severity, tuning, now_at)
        is_told_by_other = role in together or (is_explained and role is ProcessRole.WORKER)
        yield Evaluation(judged.subject, judged.figures) if is_told_by_other else judged
        if post.alive:
            yield from (
                _evaluate_process(one, severity, tuning, now_at)
                for one in post.those
                if not one.gone and one.blocked is None and not _is_alive(one, tuning, now_at)
            )


class _NeededRole(NamedTuple):
    """A role that is needed: why, when somebody of it was last seen, who has it or had it, who of them lives, when the last one died."""

    role: ProcessRole
    why: str
    seen_at: int
    those: list[WatchedProcess]
    alive: list[WatchedProcess]
    died_at: int

    @property
    def subject(self) -> Subject:
        return Subject("", IncidentKind.WORKER_LOST, self.role.value)


def _describe_role(
    role: ProcessRole, why: str, since_at: int, facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int
) -> _NeededRole:
    stands_for = _EQUIVALENT_ROLES.get(role, frozenset({role.value}))
    those = [one for one in facts.processes if one.role in stands_for]
    died_at = facts.last_died.get(role.value, 0)
    is_told = Subject("", IncidentKind.WORKER_LOST, role.value) in facts.open
    within_ms = _RESTART_WINDOW_MS if is_told else STEADY_AFTER_MS
    counted = [one for one in those if _is_steady(one) or not _follows_death(one, died_at, within_ms)]
    alive = [one for one in counted if _is_alive(one, tuning, now_at)]
    # A supervisor that is started again and again begins no new waiting each time.
    begun_at = 0 if is_told and facts.last_seen.get(role.value) else since_at
    seen_at = max([begun_at, *(one.beat_at for one in counted), facts.last_seen.get(role.value, 0)])
    return _NeededRole(role, why, seen_at, those, alive, died_at)


def _roles_lost_with_worker(
    posts: Mapping[ProcessRole, _NeededRole], facts: MonitorInputs, tuning: WorkerLostTuning
) -> set[ProcessRole]:
    """Return the roles that were lost when the worker was, as where `mainspring up` ended: that is one thing, told of the worker.

    What was told by itself before stays so.
    """
    worker = posts.get(ProcessRole.WORKER)
    if worker is None or worker.alive:
        return set()
    return {
        role
        for role, post in posts.items()
        if role is not ProcessRole.WORKER
        and not post.alive
        and abs(post.seen_at - worker.seen_at) < to_ms(tuning.silent)
        and post.subject not in facts.open
    }


def _evaluate_blocked(
    facts: MonitorInputs, severity: Severity, tuning: WorkerLostTuning, now_at: int
) -> Iterator[Evaluation]:
    """Judge each place at which processes say that they are blocked, by the one that has been so longest."""
    places: dict[str, list[WatchedProcess]] = defaultdict(list)
    for one in facts.processes:
        if one.blocked is not None and not one.gone:
            places[locate_function(list(one.blocked.stack)) or one.blocked.stack[-1]].append(one)
    works = any(
        one.role in _EQUIVALENT_ROLES[ProcessRole.WORKER] and one.blocked is None and _is_alive(one, tuning, now_at)
        for one in facts.processes
    )
    for place, those in sorted(places.items()):
        first = min(those, key=lambda one: (_blocked_since_ms(one), one.session))
        yield _evaluate_place(
            place, first, severity.at_most(Severity.NOTIFY) if works else severity, facts, tuning, now_at
        )
    died_at = max(facts.last_died.get("worker", 0), facts.last_died.get("probation", 0))
    if now_at - died_at < _SUCCESSOR_WINDOW_MS:
        unsure = "the process that was blocked died, and whether the next one is blocked too does not show yet"
        for subject in facts.open:
            place = subject.fingerprint.removeprefix(_BLOCKED_PREFIX)
            if subject.kind is IncidentKind.WORKER_LOST and place != subject.fingerprint and place not in places:
                yield Evaluation(subject, {"died_at": died_at}, unsure=unsure)


def _blocked_since_ms(one: WatchedProcess) -> int:
    return 0 if one.blocked is None else one.blocked.since_at


def _evaluate_place(
    place: str, one: WatchedProcess, severity: Severity, facts: MonitorInputs, tuning: WorkerLostTuning, now_at: int
) -> Evaluation:
    subject = Subject("", IncidentKind.WORKER_LOST, f"{_BLOCKED_PREFIX}{place}")
    since_at = _blocked_since_ms(one)
    stack, run = ((), None) if one.blocked is None else (one.blocked.stack, one.blocked.run)
    where = next((line for line in reversed(stack) if locate_function([line]) == place), place)
    figures = {
        "role": one.role,
        "pid": one.pid,
        "host": one.host,
        "blocked_ms": now_at - since_at,
        "longest_ms": to_ms(tuning.silent),
        "place": where,
        "run": run,
    }
    # What was told is not over while the next process that takes the run comes to the same place.
    if now_at - since_at < to_ms(tuning.silent) and subject not in facts.open:
        return Evaluation(subject, figures)
    finding = Finding(
        subject=subject,
        severity=severity,
        text=(
            f"{one.role} pid {one.pid} of {one.host} is blocked for {format_span(now_at - since_at)} at {where}"
            f"{f', run {run}' if run else ''}"
        ),
        since_at=since_at,
        hint=(
            "Code that blocks belongs in a plain def, which has a thread of its own; to end it now: "
            + (f"mainspring runs cancel {run}, then " if run else "")
            + f"mainspring workers quarantine {one.session}"
        ),
        facts=figures,
        cause=f"place:{place}",
    )
    return Evaluation(subject, figures, finding)


def _find_needed_roles(facts: MonitorInputs, now_at: int) -> dict[ProcessRole, tuple[str, int]]:
    """Return why each role is needed, and since when."""
    found: dict[ProcessRole, tuple[str, int]] = {}
    for process in facts.processes:
        if process.role == _SUPERVISOR and not process.gone and not process.draining:
            why = f"pid {process.pid} of {process.host} keeps one"
            found |= {ProcessRole(post): (why, process.opened_at) for post in process.posts}
    needy = [
        one
        for one in facts.expected(now_at)
        if one.kind not in COMMAND_KINDS and (one.cadences or one.listens or one.waiting)
    ]
    for one in sorted(needy, key=lambda one: one.announced_at):
        found.setdefault(ProcessRole.WORKER, (f"{one.name} needs one", one.announced_at))
        if any(cadence.next_slot_at is not None for cadence in one.cadences):
            found.setdefault(ProcessRole.SCHEDULER, (f"{one.name} has a schedule", one.announced_at))
    return found


def _is_alive(one: WatchedProcess, tuning: WorkerLostTuning, now_at: int) -> bool:
    return not one.gone and not one.draining and not _is_silent(one, tuning, now_at)


def _is_silent(one: WatchedProcess, tuning: WorkerLostTuning, now_at: int) -> bool:
    return now_at - one.beat_at >= to_ms(tuning.silent)


def _is_steady(one: WatchedProcess) -> bool:
    return one.beat_at - one.opened_at >= STEADY_AFTER_MS


def _follows_death(one: WatchedProcess, died_at: int, within_ms: int) -> bool:
    """Whether this life may be no more than a moment between two deaths."""
    return one.gone or one.opened_at - died_at < within_ms


def _evaluate_role(
    post: _NeededRole, together: Collection[ProcessRole], severity: Severity, tuning: WorkerLostTuning, now_at: int
) -> Evaluation:
    """Judge a role; `together` = those that were lost with it."""
    role, why, seen_at, those, alive, died_at = post
    subject = post.subject
    figures: dict[str, Any] = {"role": role.value, "needed": why, "alive": len(alive), "seen_at": seen_at}
    figures["missing_ms"] = 0 if alive else now_at - seen_at
    figures["longest_ms"] = to_ms(tuning.missing)
    if alive or now_at - seen_at < to_ms(tuning.missing):
        return Evaluation(subject, figures)
    blocked = next(
        (one for one in those if not one.gone and not one.draining and _is_silent(one, tuning, now_at)), None
    )
    what, why_so, hint = "gives a sign of life", "", "mainspring up"
    if blocked is not None:
        why_so = f": pid {blocked.pid} of {blocked.host} is stopped or blocked"
        hint = "mainspring down, then mainspring up"
    elif died_at > seen_at:
        what, why_so = "stays alive", f": the last one died {format_span(now_at - died_at)} ago"
        hint = "What mainspring up writes to its log tells how it ends"
    finding = Finding(
        subject=subject,
        severity=severity,
        text=f"{' and '.join(f'no {one}' for one in (role.value, *sorted(together)))} {what} "
        f"for {format_span(now_at - seen_at)}{why_so} ({why})",
        since_at=seen_at,
        hint=hint,
        facts=figures,
        cause=None if blocked is None else f"host:{blocked.host}",
    )
    return Evaluation(subject, figures, finding)


def _evaluate_process(one: WatchedProcess, severity: Severity, tuning: WorkerLostTuning, now_at: int) -> Evaluation:
    subject = Subject("", IncidentKind.WORKER_LOST, f"{one.role}:{one.session}")
    silent_ms = now_at - one.beat_at
    figures = {
        "role": one.role,
        "pid": one.pid,
        "host": one.host,
        "silent_ms": silent_ms,
        "longest_ms": to_ms(tuning.silent),
    }
    if one.draining or silent_ms < to_ms(tuning.silent):
        return Evaluation(subject, figures)
    finding = Finding(
        subject=subject,
        severity=severity.at_most(Severity.NOTIFY),
        text=f"{one.role} pid {one.pid} of {one.host} gives no sign of life for {format_span(silent_ms)}: it is stopped or blocked",
        since_at=one.beat_at,
        hint=f"Let it go on: kill -CONT {one.pid}; or: mainspring workers quarantine {one.session}",
        facts=figures,
        cause=f"host:{one.host}",
    )
    return Evaluation(subject, figures, finding)


MONITOR = Monitor(
    kind=IncidentKind.WORKER_LOST,
    line="A process that is needed is dead, blocked or missing.",
    rule=(
        "Wrong while a role is needed, nobody of it is alive, and that for longest_ms since the last sign of "
        "life at seen_at. Right after a death (once it is told, within 10 minutes) only a life of 30 s counts: what dies "
        "whenever it is started is not alive. "
        "Beside others of its role a process is wrong that gave no sign for 30 s. A process that says that its loop is blocked is "
        "wrong after 30 s (at once where that place was told), by the place; it stands for the role, and is well when the loop turns. "
        "What was lost within 30 s of the last worker is told with that."
    ),
    tuning=WorkerLostTuning(),
    judge=evaluate,
    of_automations=False,
)
