"""The loss of a worker: which process died with a run, how its death was noticed, and which worker resumed the run."""

from collections.abc import Callable
from enum import StrEnum

import msgspec


class LossDetection(StrEnum):
    """The way in which the death of a process was noticed."""

    CRASH = "crash"
    """Its supervisor saw it end."""
    PROCESS_MISSING = "process_gone"
    """Another process of its host found that it was gone."""
    LEASE_EXPIRED = "lease_expired"
    """It had sent no heartbeat for longer than its lease."""
    QUARANTINE = "quarantine"
    """A person released its runs."""
    OWN_REPORT = "own_report"
    """It reported itself that it drained, after a signal that no one had requested."""


UNEXPLAINED_LOSSES = frozenset({LossDetection.PROCESS_MISSING, LossDetection.LEASE_EXPIRED})
"""The process died together with its supervisor, or lost contact: no one saw how it ended."""
UNEXPLAINED_LIMIT = 3
"""Deaths of a worker together with its supervisor, without progress between them, that put its runs on probation."""


class WorkerLoss(msgspec.Struct, frozen=True):
    """One run and one process that died with it. `claim` = the claim that ended so; instants are ms UTC.

    `seen_at` = its last sign of life on record, `found_at` = when its death was noticed, by the process `finder_*` (None = by a person, or
    one that has no session). `resumed_*` = who resumed the run; `resumed_at` None = no one yet. `ending` = how the process ended
    ("exit 0", "SIGSEGV", "SIGTERM that no one asked for"); None = no one saw that.
    """

    run: str
    claim: int
    session: int
    role: str
    hostname: str
    pid: int
    seen_at: int
    found_at: int
    noticed: LossDetection
    finder_role: str | None = None
    finder_hostname: str | None = None
    finder_pid: int | None = None
    resumed_session: int | None = None
    resumed_role: str | None = None
    resumed_hostname: str | None = None
    resumed_pid: int | None = None
    resumed_at: int | None = None
    ending: str | None = None

    @property
    def resumed_after_ms(self) -> int | None:
        """From the last heartbeat to the instant at which another worker had the run; None = not yet."""
        return None if self.resumed_at is None else max(self.resumed_at - self.seen_at, 0)


_DETECTION_TEXTS = {
    LossDetection.CRASH: "its supervisor saw it end",
    LossDetection.PROCESS_MISSING: "its process was gone",
    LossDetection.LEASE_EXPIRED: "it was silent for longer than its lease",
    LossDetection.QUARANTINE: "a person quarantined it",
    LossDetection.OWN_REPORT: "it drained and reported that itself",
}


def describe_process(role: str, hostname: str, pid: int, session: int) -> str:
    """Return a process in words: "worker process 7 on box (session 3)"."""
    return f"{role} process {pid} on {hostname} (session {session})"


def describe_detection(loss: WorkerLoss) -> str:
    """Return how a death was noticed, and by whom."""
    is_by_process = loss.finder_role is not None and loss.noticed is not LossDetection.QUARANTINE
    by = f", noticed by {loss.finder_role} process {loss.finder_pid} on {loss.finder_hostname}" if is_by_process else ""
    return f"{_DETECTION_TEXTS[loss.noticed]}{by}"


def describe_death(loss: WorkerLoss, at: Callable[[int], str]) -> str:
    """Return which process died, how, when, and how that was noticed; `at` writes an instant."""
    died = f"{describe_process(loss.role, loss.hostname, loss.pid, loss.session)} died"
    ending = f" ({loss.ending})" if loss.ending else ""
    if loss.noticed is LossDetection.OWN_REPORT:
        return f"{died}{ending} at {at(loss.found_at)}: {describe_detection(loss)}"
    return f"{died}{ending}, last heard of at {at(loss.seen_at)}, found dead at {at(loss.found_at)} ({describe_detection(loss)})"
