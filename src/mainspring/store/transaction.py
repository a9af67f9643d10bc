"""What a handler sees of the group's transaction: named statements, the group's instant and session, and counters for the dashboard.

One object per transaction. Handlers never begin, commit or roll back; they raise only for what is not a conflict (a conflict is a result).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.domain.time.clock_step import ClockStep
from mainspring.domain.values.sealing import Sealing

Params = Sequence[Any] | Mapping[str, Any]

Thing = Literal[
    "clock",
    "run",
    "partition",
    "key",
    "event",
    "lock",
    "schedule",
    "deployments",
    "run_conditions",
    "audit",
    "queue",
    "delivery",
    "pace",
    "outbox_leases",
    "incidents",
    "channels",
    "people",
    "bulk",
]
"""What is held: a run by its id, everything else by its names."""

_MINUTE_MS = 60_000
_COLUMNS = (
    *("started", "succeeded", "failed", "cancelled", "attention"),
    *("steps", "step_errors", "took_ms", "took_max_ms"),
)


class Transaction(ABC):
    """One group's transaction; each database says how a statement is run.

    `now` is the commit's instant (ms). `session` is this process's session, None before OpenSession; OpenSession and CloseSession set it
    here. `again` = an earlier try may have committed these commands. Handlers set `ready` when a run is or will be claimable,
    and `facts` when an inbox row was written; they add to `ended` the runs that end, or stop for a person. `sealing` opens the data of
    events, which are matched by it. `cache` is a memo that lives as long as the group. `audit_head` = the last act that was written here.
    `clock_step` is a step of the clock that this transaction noticed, `clock_known` the newest step on record, `clock_moves` whether a step
    still has runs to move; None = as before.
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
        ),
        *("now", "ready", "sealing", "session"),
    )

    def __init__(self, *, now: int, session: int | None, again: bool, sealing: Sealing) -> None:
        self.now = now
        self.session = session
        self.again = again
        self.sealing = sealing
        self.ready = False
        self.facts = False
        self.ended: list[str] = []
        self.audit_head: AuditHead | None = None
        self.clock_step: ClockStep | None = None
        self.clock_known: int | None = None
        self.clock_moves: bool | None = None
        self.cache: dict[Any, Any] = {}
        self._backlogs: dict[str, int] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._details: dict[tuple[str, str], int] = {}

    @abstractmethod
    def one(self, query: str, params: Params = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None. The statement runs to its end."""

    @abstractmethod
    def all(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""

    @abstractmethod
    def change(self, query: str, params: Params = ()) -> int:
        """Run an insert, update or delete and return how many rows it changed."""

    def ahead(self, asked: Sequence[tuple[str, Params]]) -> None:  # noqa: B027 - beside a file nothing is gained by it
        """Say what is asked next, one after the other and with nothing in between: a database that is far away is then asked once.

        Whoever asks something else in between only loses the gain.
        """

    @abstractmethod
    def hold(self, what: Thing, *names: str) -> None:
        """Let no other process decide upon this before our commit. Ask before reading what the decision rests on."""

    @abstractmethod
    def hold_all(self, what: Thing, names: Iterable[tuple[str, ...]]) -> None:
        """Hold many of a kind, in the one order that everybody takes them in, so that no two wait for each other in a ring."""

    def count(self, automation: str, **columns: int) -> None:
        """Add to the rollup of the automation's present minute; `took_max_ms` keeps the largest instead."""
        sums = self._counts.get(automation)
        if sums is None:
            self._counts[automation] = columns
            return
        for column, n in columns.items():
            sums[column] = max(sums.get(column, 0), n) if column == "took_max_ms" else sums.get(column, 0) + n

    def detail(self, automation: str, what: str, n: int = 1) -> None:
        """Add to a bucket (of latency, of size) or failure reason of the automation's present minute."""
        key = automation, what
        self._details[key] = self._details.get(key, 0) + n

    def change_backlog(self, queue: str, by: int) -> None:
        """Count runs of a queue that wait to be claimed for the first time."""
        self._backlogs[queue] = self.backlog_change(queue) + by

    def backlog_change(self, queue: str) -> int:
        """Return by how much this group has changed the backlog of a queue; that is not written yet."""
        return self._backlogs.get(queue, 0)

    def write_counters(self) -> None:
        """Write them: one row per queue and automation, whatever the size of the group. The database calls it last.

        Rows of a kind are written in the order of their names, so that no two groups wait for each other in a ring.
        """
        for change in self.backlog_changes():
            self.change("change_backlog", change)
        for row in self.rollups():
            self.change("add_rollup", row)
        for row in self.rollup_details():
            self.change("add_rollup_detail", row)

    def backlog_changes(self) -> list[dict[str, Any]]:
        """Return the changed backlogs as change_backlog has them."""
        session = self.session or 0
        return [{"by": by, "queue": queue, "session": session} for queue, by in sorted(self._backlogs.items()) if by]

    def rollups(self) -> list[tuple[Any, ...]]:
        """Return the counters of each automation as add_rollup has them."""
        session, minute = self._place()
        rows: list[tuple[Any, ...]] = []
        for automation, sums in sorted(self._counts.items()):
            values = [sums.pop(column, 0) for column in _COLUMNS]
            if sums:
                raise KeyError(f"no such rollup column: {', '.join(sums)}")
            rows.append((session, automation, minute, *values))
        return rows

    def rollup_details(self) -> list[tuple[Any, ...]]:
        """Return the buckets and reasons as add_rollup_detail has them."""
        session, minute = self._place()
        return [(session, automation, minute, what, n) for (automation, what), n in sorted(self._details.items())]

    def _place(self) -> tuple[int, int]:
        return self.session or 0, self.now - self.now % _MINUTE_MS
