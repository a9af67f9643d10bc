"""The reads of a worker, bound to one store: base.EngineReads."""

from collections.abc import Mapping, Sequence

from mainspring.domain.runs.journal import Fact, History
from mainspring.store.base import HISTORY_BYTES, DueSchedule, PauseRecord, ScheduleAhead, StoreReader, UnfinishedRun
from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.read.runs import history
from mainspring.store.read.runs.message_schemas import undelivered_signal_schemas
from mainspring.store.read.runs.replayable_runs import read_replayable_runs
from mainspring.store.schema.messages.run_queries import OPEN_QUERY
from mainspring.store.schema.row import first_value
from mainspring.store.views import OpenQuery

_RUNS_AT_ONCE = _QUERIES_AT_ONCE = 100


class WorkerReads:
    """A base.EngineReads."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    def histories(self, runs: Sequence[str], *, about_bytes: int = HISTORY_BYTES) -> list[History]:
        """Return the data to resume runs, for as many of the first as fit; see base.EngineReads."""
        return history.histories(self._reader, runs, about_bytes)

    def facts_after(self, session: int, seq: int) -> list[Fact]:
        """Return the facts newer than `seq` in the inboxes of runs that this session owns, in order."""
        return history.facts_after(self._reader, session, seq)

    def undelivered_signal_schemas(
        self, target: str | tuple[str, str], name: str, source: str
    ) -> list[Mapping[str, object]] | None:
        """Return the schemas of a signal for a run that has not got it; see base.EngineReads."""
        return undelivered_signal_schemas(self._reader, target, name, source)

    def open_queries(self, session: int, now: int) -> list[OpenQuery]:
        """Return the queries that this session may answer; see base.EngineReads."""
        return OPEN_QUERY.read_all(self._reader.read("list_open_queries", (session, now, _QUERIES_AT_ONCE)))

    def read_replayable(self, run: str) -> tuple[ClaimedRun, History] | None:
        """Return a run as a worker would claim it, with its history; None = it is gone."""
        rows, _ = read_replayable_runs(self._reader, [run], HISTORY_BYTES)
        return next(((row.run, found) for row, found in rows), None)

    def due_schedules(self, now: int, limit: int = 100) -> list[DueSchedule]:
        """Return the schedules whose next slot is due, neither paused nor ended, earliest first."""
        rows = self._reader.read("list_open_schedules", (now, now, limit))
        return [DueSchedule(*row) for row in rows]

    def next_slot_at(self) -> int | None:
        """Return the earliest instant at which a schedule can be due; a pause postpones its slots to its end."""
        return first_value(self._reader.read("find_next_slot"), int)

    def schedules_ahead(self, at: int) -> list[ScheduleAhead]:
        """Return the schedules whose last slot, or whose data, were written by a clock that was ahead of this instant."""
        return [ScheduleAhead(*row) for row in self._reader.read("list_schedules_ahead", (at,))]

    def unfinished(self, automation: str) -> list[UnfinishedRun]:
        """Return at most 100 unfinished runs of an automation, oldest first, those in line last."""
        rows = self._reader.read("list_unfinished_of", (automation, _RUNS_AT_ONCE))
        return [UnfinishedRun(run, bool(is_in_line)) for run, is_in_line in rows]

    def unfinished_of_schedule(self, automation: str, schedule: str) -> list[UnfinishedRun]:
        """Return at most 100 unfinished runs of a schedule, as `unfinished` does."""
        rows = self._reader.read("list_unfinished_of_schedule", (automation, schedule, _RUNS_AT_ONCE))
        return [UnfinishedRun(run, bool(is_in_line)) for run, is_in_line in rows]

    def schedule_pauses(self, schedule: str, since_at: int) -> list[PauseRecord]:
        """Return the pauses of a created schedule that did not end before an instant, oldest first."""
        return [PauseRecord(*row) for row in self._reader.read("list_schedule_pauses", (schedule, since_at))]

    def pauses(self, automation: str, since_at: int) -> list[PauseRecord]:
        """Return the pauses of an automation that did not end before an instant, oldest first."""
        return [PauseRecord(*row) for row in self._reader.read("list_pauses", (automation, since_at))]
