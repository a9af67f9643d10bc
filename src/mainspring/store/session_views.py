"""Views of sessions: the life of one process, and a worker that can take runs. Instants are ms UTC."""

import msgspec

from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.processes.stall import BlockedLoop


class SessionView(msgspec.Struct, frozen=True):
    """One process's life; `running` runs are its own now. `queues` None = every queue, or not yet said; `automations` = name -> version.

    `posts` = the roles of the processes that a supervisor keeps; `capacity` = how many runs a worker takes at once;
    `blocked` = what its process says of its loop; `memory` = bytes that it holds, `processor` = how much of one core it took between its
    last two beats, children left out: None where it does not beat.
    """

    id: int
    uuid: str
    role: str
    state: str
    host: str
    hostname: str
    pid: int
    pid_started: str
    lock_path: str
    deploy: int
    tags: list[str]
    queues: list[str] | None
    opened_at: int
    beat_at: int
    ended_at: int | None
    posts: list[str]
    capacity: int | None
    running: int
    automations: dict[str, int] = {}
    blocked: BlockedLoop | None = None
    memory: int | None = None
    processor: float | None = None
    findings: tuple[ProcessFinding, ...] = ()
    """What its process finds wrong with itself."""


class Worker(msgspec.Struct, frozen=True):
    """A live session that announced an automation in some version."""

    session: int
    role: str
    state: str
    hostname: str
    pid: int
    version: int
    deploy: int
    tags: list[str]
    queues: list[str] | None
