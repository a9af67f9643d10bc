"""Processes as monitors see them, built from their sessions in the store."""

from collections.abc import Iterable

from mainspring.domain.monitors.inputs import WatchedProcess
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.states import SessionState
from mainspring.store.session_views import SessionView

SHORT_LIVED_ROLES = frozenset({"run", "exec", "cli", "probation"})
"""Roles of processes that no one waits for."""


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
