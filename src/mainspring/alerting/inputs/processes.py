"""Processes as monitors see them, built from their sessions in the store, and the ready runs that none of them serves."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from mainspring.domain.monitors.inputs import ReadyRuns, WatchedProcess
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.processes.tag_expression import describe_required, list_missing_tags, matches
from mainspring.domain.states import SessionState
from mainspring.store.session_views import SessionView

SHORT_LIVED_ROLES = frozenset({"run", "exec", "cli", "probation"})
"""Roles of processes that no one waits for."""

_ONE_RUN = "run"
"""The role of a process that executes a single run."""


def list_processes(sessions: Iterable[SessionView]) -> tuple[WatchedProcess, ...]:
    """Return the processes that someone may wait for, and blocked successors of dead workers, which nothing else reports."""
    return tuple(
        _build_process(session)
        for session in sessions
        if session.role not in SHORT_LIVED_ROLES or _is_blocked_successor(session)
    )


def _is_blocked_successor(session: SessionView) -> bool:
    return session.role == "probation" and session.blocked is not None


def _build_process(session: SessionView) -> WatchedProcess:
    return WatchedProcess(
        session=session.id,
        role=session.role,
        host=session.hostname,
        pid=session.pid,
        beat_at=session.beat_at,
        opened_at=session.opened_at,
        gone=session.state in (SessionState.DEAD, SessionState.CLOSED),
        draining=session.state == SessionState.DRAINING,
        # A worker has announced also where it could load nothing.
        serves=bool(session.automations) or (session.role == ProcessRole.WORKER and session.deploy > 0),
        posts=tuple(session.posts),
        blocked=session.blocked,
        findings=session.findings,
    )


class ReadyRunGroup(NamedTuple):
    """Ready runs that need the same worker; `since_at` = when the first of them became ready (ms UTC)."""

    queue: str
    automation: str
    version: int
    tag: str
    number: int
    since_at: int


def find_unserved(
    groups: Iterable[ReadyRunGroup], sessions: Iterable[SessionView], paused_queues: Collection[str]
) -> dict[str, tuple[ReadyRuns, ...]]:
    """Return the groups that no live worker takes, by automation: not their queue, tag or version; none of an automation that no
    live worker has.
    """
    alive = [session for session in sessions if session.state == SessionState.ALIVE and session.role != _ONE_RUN]
    found: dict[str, list[ReadyRuns]] = {}
    for group in groups:
        workers = [session for session in alive if group.automation in session.automations]
        missing = _find_missing(group, workers) if workers and group.queue not in paused_queues else None
        if missing is not None:
            reason, fix = missing
            ready = ReadyRuns(
                queue=group.queue,
                version=group.version,
                tag=group.tag,
                number=group.number,
                since_at=group.since_at,
                why=reason,
                fix=fix,
            )
            found.setdefault(group.automation, []).append(ready)
    return {name: tuple(ready_runs) for name, ready_runs in found.items()}


def _find_missing(group: ReadyRunGroup, workers: Sequence[SessionView]) -> tuple[str, str] | None:
    """Return what no worker has, and the command that adds it; None if a worker takes the group."""
    of_version = [worker for worker in workers if group.version in worker.automations[group.automation]]
    of_queue = [worker for worker in of_version if worker.queues is None or group.queue in worker.queues]
    of_tag = [worker for worker in of_version if not group.tag or matches(group.tag, worker.tags)]
    if any(worker in of_tag for worker in of_queue):
        return None
    if not of_version:
        known = ", ".join(
            str(version)
            for version in sorted({version for worker in workers for version in worker.automations[group.automation]})
        )
        fix = "Start a worker with the code of that version: mainspring up"
        return f"no running worker has version {group.version} of it (they have {known})", fix
    queue_text, tag_text = f"serves queue {group.queue}", f"has {describe_required(group.tag)}"
    queue_option, tag_option = (
        f" --queue {group.queue}",
        "".join(f" --tag {tag}" for tag in list_missing_tags(group.tag)),
    )
    if of_queue and not of_tag:
        return f"no running worker {tag_text}", f"mainspring up{tag_option}"
    if of_tag and not of_queue:
        return f"no running worker {queue_text}", f"mainspring up{queue_option}"
    return f"no running worker {queue_text} and {tag_text}", f"mainspring up{queue_option}{tag_option}"
