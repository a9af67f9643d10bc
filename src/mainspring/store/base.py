"""What the floors above see of a store: commands in, results out, and reads.

There is one write path (`submit`, `apply`) and it is the same for every verb: a command value joins the next group, the group is one
transaction. Reads go over short connections of their own and never hold up a commit.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from mainspring.domain.errors import StoreError, StoreFullError, StoreReadOnlyError, StoreUnavailableError
from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.store_finding import StoreFinding, StoreFindingKind
from mainspring.domain.runs.journal import Fact, History
from mainspring.domain.time.clock_step import ClockStep
from mainspring.store.transaction import Params

HISTORY_BYTES = 4 * 1024 * 1024
"""How much of saved outcomes one read brings into memory, where no single run has more."""

CommitCallback = Callable[[Any], object]
"""Called once with the command's result, or with an exception instance if the command could not be committed."""


class NotAStoreError(StoreError):
    """What is named as the store is a folder or a file of another kind: nothing is made beside it, nothing in it is changed."""

    code = "not_a_store"


class UnwritableCommandError(StoreError):
    """What was asked cannot be written as it is, while everything else can: trying again does not help."""

    code = "not_written"


class SideFileFullError(StoreFullError):
    """The disk is full for what lies beside the file: what was being written may be in it already."""


class StoreBrokenError(StoreUnavailableError):
    """The file or its disk failed: what was being written is unknown, and a new process must read what is really there (crash-only)."""

    code = "store_broken"


class StoreDamagedError(StoreBrokenError):
    """The file itself is damaged: trying again cannot help, only a backup can."""

    code = "store_damaged"


class StoreGoneError(StoreBrokenError):
    """The file was removed or replaced: trying again cannot help, only putting it back can."""

    code = "store_gone"


class StoreWentBackError(StoreBrokenError):
    """The store lacks commits that this process knows: what the process knows is ahead of it, so the process ends (crash-only)."""

    code = "store_went_back"

    def __init__(
        self,
        lost: LostCommits,
        where: str,
        hint: str = "The store is on hold, nothing starts. What to decide: mainspring db restore --undecided and --lost",
    ) -> None:
        super().__init__(f"{lost.text}\nat {where}", hint=hint)
        self.lost = lost


def error_of_finding(finding: StoreFinding, where: str) -> StoreBrokenError:
    """Return what is wrong with a store as the error of whoever reads it; `where` = the store, for people."""
    if finding.kind is StoreFindingKind.COMMITS_LOST:
        return StoreWentBackError(msgspec.convert(finding.facts, LostCommits), where, hint=finding.hint)
    return StoreDamagedError(f"{finding.text}\nat {where}", hint=finding.hint)


class ServerLoginError(StoreError):
    """The database server does not let us in: user, password, address or database are not what it takes."""

    code = "server_refuses"


class UnsafeServerError(StoreError):
    """The database server could lose commits that it acknowledged, or is too old; nothing is written to it."""

    code = "unsafe_server"


class PermissionDeniedError(StoreReadOnlyError, StoreUnavailableError):
    """The database role lacks a right. A process that cannot open the store ends; one that has it open waits for the grant."""

    code = "store_read_only"


OUTAGES = (StoreUnavailableError, StoreFullError, UnsafeServerError, ServerLoginError)
"""Why a process whose supervisor has opened the store waits for it, unless it is a StoreBrokenError: what is wrong can be fixed."""


class CommitChanges(msgspec.Struct, frozen=True):
    """What a commit (ours or another process's) may have made: rows that can be claimed now or later, facts, or something unknown.

    `ended` = the runs that one of our own commits ended or stopped for a person. `clock_step` = this process noticed one.
    """

    ready: bool
    facts: bool
    ended: tuple[str, ...] = ()
    clock_step: ClockStep | None = None


class CommitReport(msgspec.Struct, frozen=True):
    """Results of one group, in the order of its commands, and what changed."""

    results: list[Any]
    changes: CommitChanges


class Database(Protocol):
    """One database as the committer sees it: a list of commands becomes one transaction."""

    session: int | None
    """The session whose life each group checks, once OpenSession was committed through this database."""

    @property
    def trouble(self) -> str | None:
        """What people should know although commits succeed (the reserve for a full disk is used up), or None."""
        ...

    meanwhile: Callable[[], None] | None
    """Called by `commit` when it begins to wait for a server that has much to do, so that others use the time; None = it never waits so."""

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        """Commit all or nothing; `again` = these commands may have been committed by an earlier try.

        Raises FencedError (session dead), StoreFullError, StoreUnavailableError (unknown outcome or busy), GuiltyCommandError never: a
        command that cannot be executed gets its exception as its result after halving.
        """
        ...

    def poll(self) -> bool:
        """Tell whether another connection committed since the last poll or commit."""
        ...

    @property
    def hints(self) -> int | None:
        """The descriptor that can be read when another process may have committed, until the next `poll`; None = look now and then."""
        ...

    @property
    def poll_in(self) -> float:
        """In how many seconds at latest `poll` is to be called, for there is something to do by then; infinity = nothing."""
        ...

    def close(self) -> None:
        """Close the write connection."""
        ...


class DueSchedule(msgspec.Struct, frozen=True):
    """A schedule whose next slot has come, with all that its run needs.

    `definition` is domain.definition.Definition as JSON, `input` what the run is given, sealed; None where an older version announced it.
    """

    name: str
    automation: str
    spec: bytes
    slot_at: int
    definition: bytes | None
    input: bytes | None


class ScheduleAhead(msgspec.Struct, frozen=True):
    """A schedule that waits for slots which a clock made that was ahead; `spec` = the schedule as JSON."""

    name: str
    automation: str
    spec: bytes


class UnfinishedRun(msgspec.Struct, frozen=True):
    """A run that is not over; `is_in_line` = a backfill made it and it has not begun, so that no slot needs to wait for it."""

    run: str
    is_in_line: bool


class PauseRecord(msgspec.Struct, frozen=True):
    """A time in which nothing of an automation was made: until it ended by itself or by somebody, whichever came first."""

    paused_at: int
    until_at: int | None
    ended_at: int | None
    by: str
    reason: str | None

    def covers(self, at: int) -> bool:
        """Whether an instant lies in it."""
        return self.paused_at <= at and all(end is None or at < end for end in (self.until_at, self.ended_at))


Rows = list[tuple[Any, ...]]
Snapshot = Callable[..., Rows]
"""A read(query, params=()) whose calls all see one commit."""


class StoreReader(Protocol):
    """Short reads beside the connection that writes, from any thread; never in its way.

    `notice` = what is to be known of the way to the store, for people, once something was read; None = nothing.
    """

    notice: str | None

    def read(self, query: str, params: Params = ()) -> Rows:
        """Return all rows of a statement of `queries/`."""
        ...

    def read_text(self, text: str, params: Params = ()) -> Rows:
        """Return all rows of a statement that was put together of our own words. Values go in as parameters only."""
        ...

    def findings(self) -> list[StoreFinding]:
        """Return what is wrong with the store itself, as what lies beside it shows; what stands in it is not repeated."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Give a `read` whose calls all see the same commit."""
        ...

    def close(self) -> None:
        """Close the connections; the ones that are lent close when they come back."""
        ...


class EngineReads(Protocol):
    """What a worker reads; each call is short, blocking and safe in any thread."""

    def histories(self, runs: Sequence[str], *, about_bytes: int = HISTORY_BYTES) -> list[History]:
        """Return all that is needed to continue runs, in their order and from one commit's view, for as many of the first as fit.

        At least one; it ends with the run at which `about_bytes` of saved outcomes were reached: the caller asks again for the rest.
        """
        ...

    def facts_after(self, session: int, seq: int) -> list[Fact]:
        """Return the facts newer than `seq` in the inboxes of runs that this session owns, in order."""
        ...

    def due_schedules(self, now: int, limit: int = 100) -> list[DueSchedule]:
        """Return the schedules whose next slot is at or before `now`, and which are neither paused nor ended, earliest first."""
        ...

    def next_slot_at(self) -> int | None:
        """Return the earliest next slot of all schedules."""
        ...

    def schedules_ahead(self, at: int) -> list[ScheduleAhead]:
        """Return the schedules whose last slot, or whose data, were written by a clock that was ahead of this instant."""
        ...

    def unfinished(self, automation: str) -> list[UnfinishedRun]:
        """Return the unfinished runs of an automation, oldest first, those in line behind all others; at most 100."""
        ...

    def pauses(self, automation: str, since_at: int) -> list[PauseRecord]:
        """Return the pauses of an automation that did not end before an instant, oldest first."""
        ...


class Store(Protocol):
    """A store as engine and service see it."""

    @property
    def session(self) -> int | None:
        """The session of this process, once it is open."""
        ...

    def submit(self, command: Any, on_done: CommitCallback) -> None:
        """Queue a command for the next group; `on_done` runs where `deliver` puts it (the engine's loop). Order is kept."""
        ...

    def apply(self, command: Any) -> Any:
        """Commit a command and return its result; raises what `on_done` would have got. Not for an event loop's thread."""
        ...
