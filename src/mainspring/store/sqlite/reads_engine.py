"""The reads of a worker (base.EngineReads) on SQLite."""

from mainspring.domain.journal import Fact, History
from mainspring.store.base import DueSchedule
from mainspring.store.sqlite import reads_history
from mainspring.store.sqlite.reader import Reader


class SqliteEngineReads:
    """Short reads over the pool."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def history(self, run: str) -> History:
        """Return all that is needed to continue a run."""
        return reads_history.history(self._reader, run)

    def facts_after(self, session: int, seq: int) -> list[Fact]:
        """Return the facts newer than `seq` for the runs that this session owns."""
        return reads_history.facts_after(self._reader, session, seq)

    def due_schedules(self, now: int) -> list[DueSchedule]:
        """Return the schedules whose next slot has come, without those of paused automations."""
        return [DueSchedule(*row) for row in self._reader.read("due_schedules", (now,))]

    def next_slot_at(self) -> int | None:
        """Return the earliest next slot."""
        rows = self._reader.read("next_slot")
        return rows[0][0] if rows else None

    def unfinished(self, automation: str) -> list[str]:
        """Return the unfinished runs of an automation, oldest first."""
        return [row[0] for row in self._reader.read("list_unfinished_of", (automation,))]
