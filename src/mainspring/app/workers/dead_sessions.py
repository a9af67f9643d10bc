"""Dead sessions: kill what is left of their processes and release their runs."""

import logging

from mainspring.domain.processes.crash_blame import CRASH_LIMIT
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.liveness import FoundSession, kill_remains
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.upkeep")


def declare_session_dead(
    store: ProcessStore,
    found: FoundSession,
    *,
    crashed: bool = False,
    probation_run: str | None = None,
    limit: int = CRASH_LIMIT,
    ending: str = "",
) -> bool:
    """Kill what is left of a dead session and release its runs. Return False if a part of it could not be killed."""
    if not kill_remains(found):
        _LOG.error(
            "session %d is dead, but a process still has %s and cannot be killed", found.session, found.lock_path
        )
        return False
    store.apply(
        DeclareSessionDead(found.session, crashed=crashed, probation_run=probation_run, limit=limit, ending=ending)
    )
    return True


def declare_expired_sessions_dead(store: ProcessStore) -> bool:
    """Declare sessions dead, of any host, that were silent for longer than their lease. Return True if there was one."""
    is_any_dead = False
    for session, lease_ms in store.expired():
        if session != store.session:
            _LOG.warning(
                "session %d sent no heartbeat for longer than its lease: other workers continue its runs", session
            )
            store.cut_off(session)
            is_any_dead |= isinstance(store.apply(DeclareSessionDead(session, silent_ms=lease_ms)), NumberAnswer)
    return is_any_dead
