"""Commands on the sessions of processes."""

from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.store.commands.base import BookkeepingCommand, PersonalCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused


class OpenSession(BookkeepingCommand[NumberAnswer], frozen=True):
    """Open the one session of this process. Answer: NumberAnswer(session id)."""

    uuid: str
    role: str
    host: str
    hostname: str
    pid: int
    pid_started: str
    lock_path: str
    lease_ms: int | None = None
    """How long it lives without a heartbeat, if heartbeats alone prove that it lives."""
    posts: tuple[str, ...] = ()
    """Of a supervisor: the roles of its processes, one for each process."""
    capacity: int | None = None
    """Of a worker: how many runs it executes at once."""
    hash_seed: str | None = None
    """The fingerprint of its process's hash seed (`domain.processes.hash_seed`)."""


class RecordHeartbeat(BookkeepingCommand[CommandDone], frozen=True):
    """Report that the committing thread and the loop make progress. Answer: CommandDone (a dead session raises
    FencedError).

    A field that is not set keeps its earlier value.
    """

    memory: int | None = None
    """Memory of the process in bytes."""
    processor: int | None = None
    """Thousandths of one core used since the previous heartbeat."""
    child_queue: str | None = None
    """The attempts that wait for a child process, as JSON (`domain.processes.child_queue`); "" = none."""


class ConfirmClockStep(BookkeepingCommand[CommandDone], frozen=True):
    """Confirm that the worker of this process uses the clock as it was set: earlier commands were computed by the clock
    before.

    `met_ms` = the sum of all steps that it met. Answer: CommandDone.
    """

    met_ms: int


class RecordBlockedLoop(BookkeepingCommand[CommandDone], frozen=True):
    """Record that the loop of this process has been blocked for `blocked_ms`, and by which code. Answer: CommandDone.

    `stack` is that of domain.processes.stall.BlockedLoop; without one the loop is running again.
    """

    blocked_ms: int = 0
    stack: tuple[str, ...] = ()


class RecordProcessFindings(BookkeepingCommand[CommandDone], frozen=True):
    """Record all findings of this process about itself. Answer: CommandDone.

    `kinds` = the command replaces only findings of these kinds: each part of a process reports its own. Empty = it
    replaces all.
    """

    findings: tuple[ProcessFinding, ...] = ()
    kinds: tuple[ProcessFindingKind, ...] = ()


class DrainSession(PersonalCommand[CommandDone | Refused], frozen=True):
    """Drain a session: it claims nothing new. Answer: CommandDone, Refused not_found."""

    session: int


class CloseSession(BookkeepingCommand[CommandDone], frozen=True):
    """End this process's session; its runs are ready again, unharmed. Answer: CommandDone.

    `blamed` = the runs, each with its claim, that the process had claimed when an unrequested signal made it drain:
    each records a loss of its worker. From the second time on such a run is put on probation; in a probation process
    the drain counts as a crash of its run, and `limit` of them move it to needs_attention.
    """

    blamed: tuple[tuple[str, int], ...] = ()
    limit: int = 3


class DeclareSessionDead(BookkeepingCommand[NumberAnswer | Refused], frozen=True):
    """Declare a session dead and release its runs in one commit. Answer: NumberAnswer(runs released), Refused not_alive
    | not_silent.

    `crashed` = a surviving supervisor saw only that process die: its runs are put on probation. `probation_run` = the
    run that was on probation by itself when the process died; its crash counts. `limit` = crashes that move a run to
    needs_attention.
    """

    session: int
    crashed: bool = False
    probation_run: str | None = None
    limit: int = 3
    ending: str = ""
    """How its process ended ("exit 0", "SIGSEGV"), if its supervisor saw that."""
    silent_ms: int | None = None
    """Declare it dead only if its last heartbeat is at least this old by the database's clock: no one saw its process
    die.
    """
    quarantined: bool = False
    """A person revoked all its rights: no other process is started in its place."""


class EndProbation(BookkeepingCommand[CommandDone], frozen=True):
    """End the probation of runs that no session owns: they did not cause the death that put them there. Answer:
    CommandDone.
    """

    runs: tuple[str, ...]


class WakeWorkers(BookkeepingCommand[CommandDone], frozen=True):
    """Wake workers after a run ended in a process that claims no other: its slot in a limited queue is free. Answer:
    CommandDone.
    """


class ClearProbation(StoreCommand[CommandDone | Refused], frozen=True):
    """End the probation of a run that lived long enough or made progress. Answer: CommandDone, Refused claim_lost.

    `progressed` = an outcome of it was committed: earlier crashes no longer count.
    """

    run: str
    claim: int
    progressed: bool = False
