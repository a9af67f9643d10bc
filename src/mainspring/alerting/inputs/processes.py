"""Processes as monitors look at them, made of what the store has of their sessions."""

from collections.abc import Iterable

from mainspring.domain.monitors.inputs import WatchedProcess
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.states import SessionState
from mainspring.store.session_views import SessionView

SHORT_LIVED_ROLES = frozenset({"run", "exec", "cli", "probation"})
"""Roles of processes that nobody waits for."""


def list_processes(sessions: Iterable[SessionView]) -> tuple[WatchedProcess, ...]:
    """Return those that somebody may wait for; of those that take runs of dead workers the blocked ones, for nobody else tells of them."""
    return tuple(
        _build_process(one) for one in sessions if one.role not in SHORT_LIVED_ROLES or _is_blocked_successor(one)
    )


def _is_blocked_successor(one: SessionView) -> bool:
    return one.role == "probation" and one.blocked is not None


def _build_process(one: SessionView) -> WatchedProcess:
    return WatchedProcess(
        session=one.id,
        role=one.role,
        host=one.hostname,
        pid=one.pid,
        beat_at=one.beat_at,
        opened_at=one.opened_at,
        gone=one.state in (SessionState.DEAD, SessionState.CLOSED),
        draining=one.state == SessionState.DRAINING,
        # A worker has announced also where it could load nothing.
        serves=bool(one.automations) or (one.role == ProcessRole.WORKER and one.deploy > 0),
        posts=tuple(one.posts),
        blocked=one.blocked,
        findings=one.findings,
    )
