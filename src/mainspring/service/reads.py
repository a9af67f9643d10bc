"""The reads that operations need before they change a store, each short and blocking."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.store.commands.results import Result
from mainspring.store.read.audit_pages import AuditFilter, AuditPage
from mainspring.store.read.incidents import LastFailure
from mainspring.store.read.status.restore_losses import LostInterval
from mainspring.store.views import AuditCheck, AuditView, RunHistory, RunPage, SchedulePlan, SlotView


class ServiceReads(Protocol):
    """The reads of a store that this layer needs; names and shapes are those of the store."""

    def run_history(self, run: str) -> RunHistory:
        """Return all records of one run; raises NotFoundError."""
        ...

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
        ...

    def failures_of(self, runs: Sequence[str]) -> dict[str, Failure]:
        """Return the stored failures of these runs, without runs that are missing or have none."""
        ...

    def last_faults(self, runs: Sequence[str]) -> list[LastFailure]:
        """Return the last failure of each of these runs that may need attention."""
        ...

    def plans(self, automation: str | None) -> list[SchedulePlan]:
        """Return what computes the slots of all schedules that have not ended, or of those of one automation."""
        ...

    def slots_between(self, schedule: str, first_at: int, last_at: int, limit: int) -> list[SlotView]:
        """Return the recorded slots from one instant to another, both included, oldest first."""
        ...

    def newest_of(self, run: str) -> str:
        """Return the newest run that continues a run after any number of fresh starts; the run itself if there is none."""
        ...

    def signal_schemas(self, run: str, name: str) -> list[Mapping[str, object]] | None:
        """Return the JSON schemas of the signals of this name that the code of a run reads; None = not known."""
        ...

    def meta(self, key: str) -> str | None:
        """Return one entry of `meta`."""
        ...

    def undecided(self, limit: int) -> list[str]:
        """Return ids of runs that were unfinished when the store was restored and are undecided."""
        ...

    def lost_interval(self, limit: int) -> LostInterval:
        """Return what the last restore set aside, at most `limit` of each kind."""
        ...

    def answer_of(self, command: str, verb: str, subject: str) -> Result | None:
        """Return the answer of this operation with this command id; None = there was none."""
        ...

    def audit_rows(self, *, limit: int = 50, cursor: int | None = None) -> list[AuditView]:
        """Return audit entries, newest first."""
        ...

    def audit_page(self, audit_filter: AuditFilter, *, limit: int = 50, cursor: int | None = None) -> AuditPage:
        """Return a page of the audit entries that match, newest first."""
        ...

    def verify_audit(self) -> AuditCheck:
        """Check the whole chain of the audit log."""
        ...
