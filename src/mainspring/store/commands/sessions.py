"""Commands on the sessions of processes."""

import msgspec

from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind


class OpenSession(msgspec.Struct, frozen=True):
    """Begin this process's one session. Answer: Numbered(session id)."""

    uuid: str
    role: str
    host: str
    hostname: str
    pid: int
    pid_started: str
    lock_path: str
    lease_ms: int | None = None
    """How long it lives without a beat, where only its beats tell that it lives."""
    posts: tuple[str, ...] = ()
    """A supervisor's: the roles of the processes that it keeps, one for each process."""
    capacity: int | None = None
    """A worker's: how many runs it takes at once."""
    hash_seed: str | None = None
    """The fingerprint of its process's hash seed (`domain.processes.hash_seed`)."""


class RecordHeartbeat(msgspec.Struct, frozen=True):
    """Say that the committing thread and the loop move. Answer: Done (a dead session raises FencedError).

    What is not said here of its process stays as it was said before.
    """

    memory: int | None = None
    """Bytes that it holds."""
    processor: int | None = None
    """Thousandths of one core that it took since the beat before."""
    child_queue: str | None = None
    """The attempts that wait for a child process, as JSON (`domain.processes.child_queue`); "" = none."""


class ConfirmClockStep(msgspec.Struct, frozen=True):
    """Say that the worker of this process goes by the clock as it was set: it computed what it submitted before by the clock as it was.

    `met_ms` = the sum of all steps that it met. Answer: Done.
    """

    met_ms: int


class RecordBlockedLoop(msgspec.Struct, frozen=True):
    """Put on record that the loop of this process has not turned for `blocked_ms`, and what holds it. Answer: Done.

    `stack` is that of domain.stall.BlockedLoop; without one the loop turns again.
    """

    blocked_ms: int = 0
    stack: tuple[str, ...] = ()


class RecordProcessFindings(msgspec.Struct, frozen=True):
    """Put on record all that this process finds wrong with itself now. Answer: Done.

    `kinds` = the command replaces only findings of these kinds: each part of a process reports its own. Empty = it replaces all.
    """

    findings: tuple[ProcessFinding, ...] = ()
    kinds: tuple[ProcessFindingKind, ...] = ()


class DrainSession(msgspec.Struct, frozen=True):
    """A session takes nothing new. Answer: Done, Refused not_found."""

    session: int


class CloseSession(msgspec.Struct, frozen=True):
    """End this process's session; whatever it still owns is ready again, unharmed. Answer: Done.

    `blamed` = the runs, each with its claim, that were aboard when a signal that no one had asked for made this process drain: each keeps
    it as a loss of its worker. From the second time on such a run is a suspect; in a probation process the drain counts as a crash of the
    suspect, and `limit` of them move it to needs_attention.
    """

    blamed: tuple[tuple[str, int], ...] = ()
    limit: int = 3


class DeclareSessionDead(msgspec.Struct, frozen=True):
    """Declare a session dead and set its runs free in one commit. Answer: Numbered(runs set free), Refused not_alive | not_silent.

    `crashed` = a surviving supervisor saw that process alone die: its runs become suspects. `alone` = the run that was on probation by
    itself when the process died, whose crash counts. `limit` = crashes that move a run to needs_attention.
    """

    session: int
    crashed: bool = False
    alone: str | None = None
    limit: int = 3
    how: str = ""
    """How its process ended ("exit 0", "SIGSEGV"), where its supervisor saw that."""
    silent_ms: int | None = None
    """Bury it only if its last beat is at least so old by the database's clock: nobody saw its process die."""
    quarantined: bool = False
    """A person took everything away from it: no other is started in its place."""


class EndProbation(msgspec.Struct, frozen=True):
    """Take runs off probation that no session owns: the death that put them there was no fault of theirs. Answer: Done."""

    runs: tuple[str, ...]


class WakeWorkers(msgspec.Struct, frozen=True):
    """A run ended in a process that takes no other: its place in a limited queue is for the others. Answer: Done."""


class ClearProbation(msgspec.Struct, frozen=True):
    """A run on probation lived long enough, or made progress: it is ordinary again. Answer: Done, Refused claim_lost.

    `progressed` = an outcome of it was committed: crashes before that count no more.
    """

    run: str
    claim: int
    progressed: bool = False
