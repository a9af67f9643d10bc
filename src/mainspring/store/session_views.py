"""Views of sessions: the life of one process, and a worker that can take runs. Instants are ms UTC."""

import msgspec

from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.processes.stall import BlockedLoop
from mainspring.domain.states import SessionState


class SessionView(msgspec.Struct, frozen=True):
    """The life of one process; `running` = its current runs. `queues` None = every queue, or not announced yet;
    `automations` = name -> versions.

    `posts` = the process roles that a supervisor starts; `capacity` = how many runs a worker executes at once;
    `blocked` = its report on a blocked loop; `memory` = its bytes, `processor` = its share of one core between the last
    two heartbeats, without children: None without heartbeats.
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
    automations: dict[str, tuple[int, ...]] = {}
    blocked: BlockedLoop | None = None
    memory: int | None = None
    processor: float | None = None
    findings: tuple[ProcessFinding, ...] = ()
    """Findings of the process about itself."""

    @property
    def replaces_workers(self) -> bool:
        """Whether it is a live supervisor that starts another worker for a dead one."""
        return self.role == "supervisor" and self.state == SessionState.ALIVE and "worker" in self.posts


class WorkerView(msgspec.Struct, frozen=True):
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
