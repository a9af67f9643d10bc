"""The cached status of a project, evaluated at most once a second: bar, title, icon, overview and API show the same one."""

from threading import Lock
from typing import Final, Protocol

import msgspec

from mainspring.config import Settings
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.incidents.incident import Incident
from mainspring.insight.incidents.visible_incidents import select_visible
from mainspring.insight.runs.unresolved_failures import UnresolvedFailures, read_unresolved_failures
from mainspring.insight.status.project_status import (
    UnresolvedIncidents,
    VisibleProjectStatus,
    evaluate_status,
    evaluate_visible_status,
    read_unresolved,
)
from mainspring.store.base import StoreReader
from mainspring.store.read.status import status
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.views import AutomationView

_FRESH_MS: Final = 1_000


class StatusInputs(Protocol):
    """The source of a project's status."""

    @property
    def reader(self) -> StoreReader: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...


class StatusSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The status at the instant `at` (ms), with its incidents. `free` = bytes free on the store's disk, None on a server."""

    verdict: VisibleProjectStatus
    incidents: UnresolvedIncidents
    views: list[AutomationView]
    free: int | None
    at: int
    zone: str
    reader: StoreReader
    parts: dict[tuple[str, ...], UnresolvedFailures] = {}
    """Unresolved failures of a set of automations, read when a visitor who sees only those asks."""

    def of(self, visitor: Visitor, questions: int = 0) -> VisibleProjectStatus:
        """Return the status of what a visitor sees."""
        if visitor.is_for_all:
            return self.verdict
        views = [view for view in self.views if visitor.may_view(view.name)]
        runs = self._runs_of(tuple(view.name for view in views))
        return evaluate_visible_status(
            self.visible_incidents(visitor), views, runs, questions, now=self.at, zone=self.zone
        )

    def _runs_of(self, names: tuple[str, ...]) -> UnresolvedFailures:
        if names not in self.parts:
            self.parts[names] = read_unresolved_failures(self.reader, names)
        return self.parts[names]

    def visible_incidents(self, visitor: Visitor) -> list[Incident]:
        """Return the incidents that a visitor sees."""
        return select_visible(*self.incidents, visitor.may_view)


class CachedProjectStatus:
    """The cache of one web process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._evaluated_at = 0
        self._snapshot: StatusSnapshot | None = None
        self._last_change = self._evaluated_after = object()

    def of(self, site: StatusInputs) -> StatusSnapshot:
        """Return the status, at most a second old. Raises StoreError."""
        with self._lock:
            now, last_change = site.clock.now(), self._last_change
            is_fresh = self._evaluated_after is last_change and 0 <= now - self._evaluated_at < _FRESH_MS
            if self._snapshot is None or not is_fresh:
                self._snapshot = None
                self._snapshot = _evaluate(site, now)
                self._evaluated_at, self._evaluated_after = now, last_change
            return self._snapshot

    def forget(self) -> None:
        """Evaluate again at the next request: something changed. A running evaluation is not awaited; later requests ignore its result."""
        self._last_change = object()


def _evaluate(site: StatusInputs, now: int) -> StatusSnapshot:
    settings, reader = site.settings, site.reader
    folder = None if settings.store.is_remote else settings.store.path.parent
    free = free_bytes(folder) if folder is not None and folder.exists() else None
    environment = settings.project.environment
    incidents, views, zone = read_unresolved(reader), status.automations(reader), settings.project.timezone
    project = evaluate_status(
        reader,
        now,
        incidents,
        store=settings.store.location,
        environment=environment,
        free=free,
        zone=zone,
        automations=views,
    )
    return StatusSnapshot(
        verdict=VisibleProjectStatus(
            *(
                project.head,
                project.sentence,
                project.count,
                project.untold,
                project.put_off,
                project.undecided_failures,
            ),
            notes=project.notes,
        ),
        incidents=incidents,
        views=views,
        free=free,
        at=now,
        zone=zone,
        reader=reader,
    )
