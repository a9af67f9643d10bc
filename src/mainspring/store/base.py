"""The base of every store, as the layers above use it: commands, their results, and reads.

There is one write path (`submit`, `apply`) for every command: the command joins the next group, and one transaction
commits the group. Reads use short connections of their own and never delay a commit.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec

from mainspring.domain.errors import StoreError, StoreFullError, StoreReadOnlyError, StoreUnavailableError
from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.store_finding import StoreFinding, StoreFindingKind
from mainspring.domain.runs.journal import Fact, History
from mainspring.domain.time.clock_step import ClockStep
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.transaction import Params, Rows

HISTORY_BYTES = 4 * 1024 * 1024
"""Bytes of saved outcomes that one read loads, unless a single run has more."""

CommitCallback = Callable[[Answer | BaseException], object]
"""Called once with the command's answer, or with an exception instance if the command could not be committed."""

if TYPE_CHECKING:
    from mainspring.store.commands.runs import ClaimedRun
    from mainspring.store.views import OpenQuery


class NotAStoreError(StoreError):
    """The path of the store is a folder or a file of another kind. Nothing is created beside it or changed in it."""

    code = "not_a_store"


class UnwritableCommandError(StoreError):
    """One command cannot be written, while all others can. A retry does not help."""

    code = "not_written"


class SideFileFullError(StoreFullError):
    """The disk is full for a side file of the store. The file may already contain what was being written."""


class StoreBrokenError(StoreUnavailableError):
    """The file or its disk failed. The outcome of the last write is unknown: the process ends, and a new one reads the
    file.
    """

    code = "store_broken"


class StoreDamagedError(StoreBrokenError):
    """The file itself is damaged. A retry does not help; restore a backup."""

    code = "store_damaged"


class StoreRemovedError(StoreBrokenError):
    """The file was removed or replaced. A retry does not help; put the file back."""

    code = "store_gone"


class StoreRevertedError(StoreBrokenError):
    """The store lacks commits that this process knows. The process ends, because its memory is ahead of the store."""

    code = "store_went_back"

    def __init__(
        self,
        lost: LostCommits,
        where: str,
        hint: str = "The store is on hold, so no run starts. To list what to decide: mainspring db restore "
        "--undecided and --lost",
    ) -> None:
        super().__init__(f"{lost.text}\nat {where}", hint=hint)
        self.lost = lost


def error_of_finding(finding: StoreFinding, where: str) -> StoreBrokenError:
    """Return a finding about the store as the error that its readers get; `where` = the store, for people."""
    if finding.kind is StoreFindingKind.COMMITS_LOST:
        return StoreRevertedError(msgspec.convert(finding.facts, LostCommits), where, hint=finding.hint)
    return StoreDamagedError(f"{finding.text}\nat {where}", hint=finding.hint)


class ServerLoginError(StoreError):
    """The database server rejects the login: user, password, address or database are invalid."""

    code = "server_refuses"


class UnsafeServerError(StoreError):
    """The database server could lose commits that it acknowledged, or is too old. Nothing is written to it."""

    code = "unsafe_server"


class PermissionDeniedError(StoreReadOnlyError, StoreUnavailableError):
    """The database role lacks a permission. A process that cannot open the store ends; an open store waits for the
    grant.
    """

    code = "store_read_only"


OUTAGES = (StoreUnavailableError, StoreFullError, UnsafeServerError, ServerLoginError)
"""Errors at which a process with a supervisor waits for the store: the cause can be fixed. Except StoreBrokenError."""


class CommitChanges(msgspec.Struct, frozen=True):
    """Changes of a commit, by this or another process: claimable runs (`ready`, now or later), facts for runs, or input
    of the triggers (schedules, deliveries, messages to send). All three after a commit of another process.

    `ended` = the runs that a commit of this process ended or stopped for a person. `clock_step` = a step that this
    process noticed. `locks` = a waiter got its lock, or another process committed.
    """

    ready: bool = False
    facts: bool = False
    triggers: bool = False
    ended: tuple[str, ...] = ()
    clock_step: ClockStep | None = None
    locks: bool = False


class CommitReport(msgspec.Struct, frozen=True):
    """Results of one group, in the order of its commands, and what changed."""

    results: list[object]
    changes: CommitChanges


class Database(Protocol):
    """One database, as the committer uses it: each list of commands becomes one transaction."""

    session: int | None
    """The session that each group checks, once OpenSession was committed through this database."""

    @property
    def warning(self) -> str | None:
        """A warning for people although commits succeed (the disk reserve is used up), or None."""
        ...

    meanwhile: Callable[[], None] | None
    """Called by `commit` when it starts to wait for a busy server, so that other threads use the time; None = it never
    waits.
    """

    def commit(self, commands: list[StoreCommand[object]], *, again: bool = False) -> CommitReport:
        """Commit all or nothing; `again` = an earlier try may have committed these commands.

        Raises FencedError (session dead), StoreFullError, StoreUnavailableError (busy, or the outcome is unknown), but
        not GuiltyError: a command that cannot be executed gets its exception as its result.
        """
        ...

    def poll(self) -> bool:
        """Tell whether another connection committed since the last poll or commit."""
        ...

    @property
    def hints(self) -> int | None:
        """The descriptor that becomes readable when another process may have committed, until `poll`; None = poll at
        intervals.
        """
        ...

    @property
    def poll_in(self) -> float:
        """Seconds until `poll` must be called at the latest; infinity = no limit."""
        ...

    def keep_evidence(self, commands: list[StoreCommand[object]]) -> None:
        """Commit the commands that are evidence, although the session was declared dead. Raises as `commit` does."""
        ...

    def close(self) -> None:
        """Close the write connection."""
        ...


class DueSchedule(msgspec.Struct, frozen=True):
    """A schedule whose next slot is due, with all data for its run.

    `definition` is domain.definitions.definition.Definition as JSON, `input` the sealed input of the run; both None if
    an older version announced it.
    """

    name: str
    automation: str
    spec: bytes
    slot_at: int
    definition: bytes | None
    input: bytes | None
    options: str | None = None
    """Of a created schedule its options as JSON; None = it is declared in code."""
    version: int | None = None


class ScheduleAhead(msgspec.Struct, frozen=True):
    """A schedule with slots in the future, made by a clock that was ahead; `spec` = the schedule as JSON."""

    name: str
    automation: str
    spec: bytes


class UnfinishedRun(msgspec.Struct, frozen=True):
    """An unfinished run; `is_in_line` = a backfill created it and it has not started, so no slot waits for it."""

    run: str
    is_in_line: bool


class PauseRecord(msgspec.Struct, frozen=True):
    """A pause of an automation, until `until_at` or until a person ended it, whichever came first."""

    paused_at: int
    until_at: int | None
    ended_at: int | None
    by: str
    reason: str | None

    def covers(self, at: int) -> bool:
        """Whether the pause covers an instant."""
        return self.paused_at <= at and all(end is None or at < end for end in (self.until_at, self.ended_at))


Snapshot = Callable[..., Rows]
"""A read(query, params=()) whose calls all see one commit."""


class StoreReader(Protocol):
    """Short reads from any thread, beside the write connection and never blocking it.

    `notice` = a warning about the connection, for people, once something was read; None = nothing.
    """

    notice: str | None

    def read(self, query: str, params: Params = ()) -> Rows:
        """Return all rows of a statement of `queries/`."""
        ...

    def read_text(self, text: str, params: Params = ()) -> Rows:
        """Return all rows of a statement that was composed from constant words. Values go in as parameters only."""
        ...

    def findings(self) -> list[StoreFinding]:
        """Return the findings about the store that its side files show, without those stored in it."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a `read` whose calls all see one commit."""
        ...

    def close(self) -> None:
        """Close the connections; those in use close when they are returned."""
        ...


class EngineReads(Protocol):
    """Reads of a worker. Each call is short, blocking and safe in any thread."""

    def histories(self, runs: Sequence[str], *, about_bytes: int = HISTORY_BYTES) -> list[History]:
        """Return what is needed to resume runs, in their order and from one commit's view, for as many as fit.

        At least one run. The result ends with the run that reached `about_bytes` of saved outcomes; request the rest
        with another call.
        """
        ...

    def facts_after(self, session: int, seq: int) -> list[Fact]:
        """Return the facts newer than `seq` in the inboxes of runs that this session owns, in order."""
        ...

    def undelivered_signal_schemas(
        self, target: str | tuple[str, str], name: str, source: str
    ) -> list[Mapping[str, object]] | None:
        """Return the schemas of the signals of this name that the code of a run can read; None = unknown, or it has got this one.

        `target` = a run or (automation, run key). `source` = who sends it, as in DeliverFact.
        """
        ...

    def open_queries(self, session: int, now: int) -> "list[OpenQuery]":
        """Return the queries that this session may answer, those whose time ends first first: at most 100."""
        ...

    def read_replayable(self, run: str) -> "tuple[ClaimedRun, History] | None":
        """Return a run as a worker would claim it, with its history; None = it is gone."""
        ...

    def due_schedules(self, now: int, limit: int = 100) -> list[DueSchedule]:
        """Return the schedules whose next slot is at or before `now` and that are neither paused nor ended, earliest
        first.
        """
        ...

    def next_slot_at(self) -> int | None:
        """Return the earliest next slot of all schedules."""
        ...

    def schedules_ahead(self, at: int) -> list[ScheduleAhead]:
        """Return the schedules whose last slot or data were written by a clock that was ahead of this instant."""
        ...

    def unfinished(self, automation: str) -> list[UnfinishedRun]:
        """Return at most 100 unfinished runs of an automation, oldest first, those in line last."""
        ...

    def unfinished_of_schedule(self, automation: str, schedule: str) -> list[UnfinishedRun]:
        """Return at most 100 unfinished runs of a schedule, as `unfinished` does."""
        ...

    def schedule_pauses(self, schedule: str, since_at: int) -> list[PauseRecord]:
        """Return the pauses of a created schedule that did not end before an instant, oldest first."""
        ...

    def pauses(self, automation: str, since_at: int) -> list[PauseRecord]:
        """Return the pauses of an automation that did not end before an instant, oldest first."""
        ...


class Store(Protocol):
    """A store as engine and service use it."""

    @property
    def session(self) -> int | None:
        """The session of this process, once it is open."""
        ...

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Queue a command for the next group; `deliver` runs `on_done` (in the engine's loop). Order is kept."""
        ...

    def apply(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command and return its answer, or raise the exception of `on_done`. Not for the thread of an event
        loop.
        """
        ...

    def apply_in_order(self, commands: Sequence[StoreCommand[Answer]]) -> list[Answer | BaseException]:
        """Commit commands in their order, and return the answer or the exception of each. Not for the thread of an event loop."""
        ...
