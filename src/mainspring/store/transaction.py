"""The transaction of a group, as its handlers use it: named statements, the group's instant and session, and counters
for the dashboard.

One object per transaction. Handlers never begin, commit or roll back; they raise only for what is not a conflict (a
conflict is a result).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.domain.time.clock_step import ClockStep
from mainspring.domain.values.sealing import Sealing
from mainspring.store.commands.base import StoreCommand
from mainspring.store.schema.row import Value, first_value, first_values

Params = Sequence[object] | Mapping[str, object]
Row = tuple[Any, ...]
"""The values of a row in the order of its statement, of the types that its table gives them: unpack it, or read it by a
RowType (`schema/row.py`).
"""
Rows = list[Row]

LockTarget = Literal[
    "clock",
    "run",
    "partition",
    "key",
    "event",
    "lock",
    "effect",
    "target",
    "flag",
    "rollout",
    "schedule",
    "deployments",
    "run_conditions",
    "audit",
    "queue",
    "delivery",
    "pace",
    "start_request",
    "start_limits",
    "outbox_leases",
    "incidents",
    "channels",
    "people",
    "bulk",
]
"""Kinds of what a transaction locks: a run by its id, everything else by its names."""

_MINUTE_MS = 60_000
_COLUMNS = (
    *("started", "succeeded", "failed", "cancelled", "attention"),
    *("steps", "step_errors", "duration_ms", "max_duration_ms"),
)


class Transaction(ABC):
    """The transaction of one group; each database implements how a statement runs.

    `now` is the commit's instant (ms). `session` is this process's session, None before OpenSession; OpenSession and
    CloseSession set it here. `again` = an earlier try may have committed these commands. Handlers set `ready` when a
    run is or will be claimable, `facts` when an inbox row was written, and `locks` when a waiter got its lock; they add
    to `ended` the runs that end, or stop for a person. `sealing` opens the data of events, to match them. `cache` is a
    memo for the life of the group.
    `audit_head` = the last operation that was recorded here. `clock_step` is a step of the clock that this transaction
    noticed, `clock_known` the newest step on record, `clock_moves` whether a step still has runs to move; None =
    unchanged.
    """

    __slots__ = (
        *(
            "_backlogs",
            "_counts",
            "_details",
            "again",
            "audit_head",
            "cache",
            "clock_known",
            "clock_moves",
            "clock_step",
            "ended",
            "facts",
            "locks",
        ),
        *("now", "ready", "sealing", "session", "triggers"),
    )

    def __init__(self, *, now: int, session: int | None, again: bool, sealing: Sealing) -> None:
        self.now = now
        self.session = session
        self.again = again
        self.sealing = sealing
        self.ready = False
        self.facts = False
        self.triggers = False
        self.locks = False
        self.ended: list[str] = []
        self.audit_head: AuditHead | None = None
        self.clock_step: ClockStep | None = None
        self.clock_known: int | None = None
        self.clock_moves: bool | None = None
        self.cache: dict[object, Any] = {}
        self._backlogs: dict[str, int] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._details: dict[tuple[str, str], int] = {}

    @abstractmethod
    def first(self, query: str, params: Params = ()) -> Row | None:
        """Return the first row, or None. The statement runs to its end."""

    @abstractmethod
    def all(self, query: str, params: Params = ()) -> Rows:
        """Return all rows."""

    def value(self, query: str, params: Params, kind: type[Value]) -> Value | None:
        """Return the first value of the first row, which is of this type or null; None if there is no row."""
        return first_value(self.all(query, params), kind)

    def values(self, query: str, params: Params, kind: type[Value]) -> list[Value]:
        """Return the first value of each row, which is of this type and not null."""
        return first_values(self.all(query, params), kind)

    @abstractmethod
    def change(self, query: str, params: Params = ()) -> int:
        """Run an insert, update or delete and return how many rows it changed."""

    def later(self, query: str, params: Params = ()) -> None:
        """Run a change whose count is not needed, and that no data can make fail: a remote database may send it together
        with the next statement.
        """
        self.change(query, params)

    def ahead(self, statements: Sequence[tuple[str, Params]]) -> None:  # noqa: B027 - beside a file nothing is gained by it
        """Announce the next statements, in order and with nothing in between: a remote database then gets them in one
        round trip.

        Another statement in between only loses the gain.
        """

    @abstractmethod
    def hold(self, kind: LockTarget, *names: str, then: Sequence[tuple[str, Params]] = ()) -> None:
        """Lock a thing against other processes until our commit. Lock before reading what the decision depends on.

        `then` = the next statements, as for `ahead`: they come in the same round trip, after the lock.
        """

    @abstractmethod
    def hold_all(self, kind: LockTarget, names: Iterable[tuple[str, ...]]) -> None:
        """Lock many of a kind, in the one order that all processes use, so that no two wait for each other in a cycle."""

    def count(self, automation: str, **columns: int) -> None:
        """Add to the rollup of the automation's current minute; `max_duration_ms` keeps the maximum."""
        sums = self._counts.get(automation)
        if sums is None:
            self._counts[automation] = columns
            return
        for column, n in columns.items():
            sums[column] = max(sums.get(column, 0), n) if column == "max_duration_ms" else sums.get(column, 0) + n

    def detail(self, automation: str, bucket: str, n: int = 1) -> None:
        """Add to a bucket (of latency, of size) or failure reason of the automation's current minute."""
        key = automation, bucket
        self._details[key] = self._details.get(key, 0) + n

    def change_backlog(self, queue: str, by: int) -> None:
        """Count runs of a queue that wait for their first claim."""
        self._backlogs[queue] = self.backlog_change(queue) + by

    def backlog_change(self, queue: str) -> int:
        """Return by how much this group has changed the backlog of a queue; that is not written yet."""
        return self._backlogs.get(queue, 0)

    def write_counters(self) -> None:
        """Write the counters: one row per queue and automation, whatever the size of the group. The database calls it
        last.

        Rows of a kind are written in the order of their names, so that no two groups wait for each other in a cycle.
        """
        for change in self.backlog_changes():
            self.change("change_backlog", change)
        for row in self.rollups():
            self.change("add_rollup", row)
        for row in self.rollup_details():
            self.change("add_rollup_detail", row)

    def backlog_changes(self) -> list[dict[str, object]]:
        """Return the changed backlogs as parameters of change_backlog."""
        session = self.session or 0
        return [{"by": by, "queue": queue, "session": session} for queue, by in sorted(self._backlogs.items()) if by]

    def rollups(self) -> list[tuple[object, ...]]:
        """Return the counters of each automation as parameters of add_rollup."""
        session, minute = self._session_and_minute()
        rows: list[tuple[object, ...]] = []
        for automation, sums in sorted(self._counts.items()):
            values = [sums.pop(column, 0) for column in _COLUMNS]
            if sums:
                raise KeyError(f"no such rollup column: {', '.join(sums)}")
            rows.append((session, automation, minute, *values))
        return rows

    def rollup_details(self) -> list[tuple[object, ...]]:
        """Return the buckets and reasons as parameters of add_rollup_detail."""
        session, minute = self._session_and_minute()
        return [(session, automation, minute, bucket, n) for (automation, bucket), n in sorted(self._details.items())]

    def _session_and_minute(self) -> tuple[int, int]:
        return self.session or 0, self.now - self.now % _MINUTE_MS


Handler = Callable[[Transaction, StoreCommand[object]], object]
Handlers = Mapping[type[StoreCommand[object]], Handler]
HandlerTable = dict[type[StoreCommand[object]], Handler]
"""The handler of each command, made by `StoreCommand.answered_by`."""
