"""Reads of operations: an implementation of service.reads.ServiceReads."""

from collections.abc import Mapping, Sequence

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Result
from mainspring.store.read.audit_pages import AuditFilter, AuditPage, audit_page
from mainspring.store.read.incidents import LastFailure, last_failures
from mainspring.store.read.runs.message_schemas import signal_schemas
from mainspring.store.read.runs.run_views import failures_of, list_runs, newest_of, run_history
from mainspring.store.read.status.restore_losses import LostInterval, lost_interval
from mainspring.store.read.status.status import audit_rows, meta, plans, slots_between, verify_audit
from mainspring.store.restore_hold import RESTORED_AT, decision_key
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.views import AuditCheck, AuditView, RunHistory, RunPage, SchedulePlan, SlotView

_RESULT = msgspec.json.Decoder[Result](Result)


class OperationReads:
    """Short reads over the pool."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    def run_history(self, run: str) -> RunHistory:
        """Return the whole history of one run; raises NotFoundError."""
        return run_history(self._reader, run)

    def list_runs(
        self,
        *,
        states: tuple[RunState, ...] = (),
        name: str | None = None,
        since_at: int | None = None,
        until_at: int | None = None,
        limit: int = 50,
        cursor: int | None = None,
    ) -> RunPage:
        """Return a page of runs, newest first; created from `since_at` to before `until_at`."""
        return list_runs(
            self._reader, states=states, name=name, since_at=since_at, until_at=until_at, limit=limit, cursor=cursor
        )

    def failures_of(self, runs: Sequence[str]) -> dict[str, Failure]:
        """Return why runs failed or need a person, as stored; missing runs, and runs without a failure, are omitted."""
        return failures_of(self._reader, runs)

    def last_faults(self, runs: Sequence[str]) -> list[LastFailure]:
        """Return the last failure of each of these runs that may have to be reported."""
        return last_failures(self._reader, runs)

    def plans(self, automation: str | None) -> list[SchedulePlan]:
        """Return the data to compute the slots of all schedules that have not ended, or of one automation's."""
        return plans(self._reader, automation)

    def slots_between(self, schedule: str, first_at: int, last_at: int, limit: int) -> list[SlotView]:
        """Return the recorded slots from one instant to another, both included, oldest first."""
        return slots_between(self._reader, schedule, first_at, last_at, limit)

    def newest_of(self, run: str) -> str:
        """Return the last run that continues a run; itself if there is none."""
        return newest_of(self._reader, run)

    def signal_schemas(self, run: str, name: str) -> list[Mapping[str, object]] | None:
        """Return the JSON schemas of the signals of this name that the code of a run can read; None = unknown."""
        return signal_schemas(self._reader, run, name)

    def meta(self, key: str) -> str | None:
        """Return one entry of `meta`."""
        return meta(self._reader, key)

    def undecided(self, limit: int) -> list[str]:
        """Return ids of runs that were unfinished when the store was restored and are undecided, up to `limit`."""
        with self._reader.snapshot() as read:
            at = first_value(read("read_meta", (RESTORED_AT,)), str)
            if at is None:
                return []
            return first_values(read("list_undecided_restored_runs", (int(at), decision_key(at, ""), limit)), str)

    def lost_interval(self, limit: int) -> LostInterval:
        """Return what the last restore skipped, up to `limit` of each kind."""
        return lost_interval(self._reader, limit)

    def answer_of(self, command: str, verb: str, subject: str) -> Result | None:
        """Return the answer to this operation with this command id; None = there was none."""
        rows = self._reader.read("find_audit_entry", (command,))
        return next((_RESULT.decode(result) for result, *operation in rows if operation == [verb, subject]), None)

    def audit_rows(self, *, limit: int = 50, cursor: int | None = None) -> list[AuditView]:
        """Return recorded operations, newest first."""
        return audit_rows(self._reader, limit=limit, cursor=cursor)

    def audit_page(self, audit_filter: AuditFilter, *, limit: int = 50, cursor: int | None = None) -> AuditPage:
        """Return a page of the matching recorded operations, newest first."""
        return audit_page(self._reader, audit_filter, limit=limit, cursor=cursor)

    def verify_audit(self) -> AuditCheck:
        """Verify the whole hash chain of the audit log."""
        return verify_audit(self._reader)
