"""Status of this host: the processes that `mainspring up` keeps, and those that are missing. For probes, by command and over HTTP."""

from collections import Counter

import msgspec

from mainspring.domain.processes.process_role import SUPERVISOR, ProcessRole
from mainspring.domain.states import SessionState
from mainspring.store.base import StoreReader
from mainspring.store.liveness import host_identity
from mainspring.store.read.status.status import sessions

UNRESPONSIVE_AFTER_MS = 30_000
"""A process sends a heartbeat every two seconds: one without a heartbeat for this long is stopped or blocked."""
_MAX_SESSIONS = 1_000


class HostStatus(msgspec.Struct, frozen=True):
    """How many processes of each role should run on this host, how many do, and sentences about missing ones."""

    expected: dict[str, int] = msgspec.field(name="kept")
    live: dict[str, int]
    missing: list[str]


def read_host_status(reader: StoreReader, now: int, host: str | None = None) -> HostStatus:
    """Return which processes that the supervisors of this host keep are live at the instant `now` (ms)."""
    host = host_identity() if host is None else host
    found = [
        session
        for session in sessions(reader, limit=_MAX_SESSIONS)
        if session.host == host and session.state != SessionState.DEAD
    ]
    supervisors = [session for session in found if session.role == SUPERVISOR]
    expected = Counter(role for session in supervisors for role in session.posts)
    silent = [
        session for session in found if session.role in expected and now - session.beat_at > UNRESPONSIVE_AFTER_MS
    ]
    live = Counter(session.role for session in found if session.role in expected and session not in silent)
    silent += [session for session in supervisors if now - session.beat_at > UNRESPONSIVE_AFTER_MS]
    missing = [] if supervisors else ["no `mainspring up` is running on this host"]
    missing += [
        f"{expected[role] - live[role]} of {expected[role]} {role} processes"
        for role in ProcessRole
        if live[role] < expected[role]
    ]
    missing += [f"the {session.role} process {session.pid} has sent no heartbeat" for session in silent]
    return HostStatus(dict(expected), {role: live[role] for role in expected}, missing)
