"""What `mainspring up` keeps on this host, and what of it is missing: for probes, by command and over HTTP."""

from collections import Counter

import msgspec

from mainspring.domain.processes.process_role import SUPERVISOR, ProcessRole
from mainspring.domain.states import SessionState
from mainspring.store.base import StoreReader
from mainspring.store.liveness import host_identity
from mainspring.store.read.status.status import sessions

UNRESPONSIVE_AFTER_MS = 30_000
"""A process beats every two seconds: one without a beat for so long is stopped or blocked."""
_MAX_SESSIONS = 1_000


class HostStatus(msgspec.Struct, frozen=True):
    """How many processes of each role are to live on this host, how many do, and sentences of what is missing."""

    kept: dict[str, int]
    live: dict[str, int]
    missing: list[str]


def read_host_status(reader: StoreReader, now: int, host: str | None = None) -> HostStatus:
    """Return what lives of what the supervisors of this host keep, at the instant `now` (ms)."""
    host = host_identity() if host is None else host
    found = [
        one for one in sessions(reader, limit=_MAX_SESSIONS) if one.host == host and one.state != SessionState.DEAD
    ]
    supervisors = [session for session in found if session.role == SUPERVISOR]
    kept = Counter(role for one in supervisors for role in one.posts)
    silent = [one for one in found if one.role in kept and now - one.beat_at > UNRESPONSIVE_AFTER_MS]
    live = Counter(one.role for one in found if one.role in kept and one not in silent)
    silent += [session for session in supervisors if now - session.beat_at > UNRESPONSIVE_AFTER_MS]
    missing = [] if supervisors else ["no `mainspring up` lives on this host"]
    missing += [
        f"{kept[role] - live[role]} of {kept[role]} {role} processes" for role in ProcessRole if live[role] < kept[role]
    ]
    missing += [f"the {one.role} process {one.pid} gives no sign of life" for one in silent]
    return HostStatus(dict(kept), {role: live[role] for role in kept}, missing)
