"""How everything stands, judged at most once a second however many pages ask: what bar, title, icon, Now and API say is one verdict."""

from threading import Lock
from typing import Final, Protocol

import msgspec

from mainspring.config import Settings
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.incidents.incident import Incident
from mainspring.insight.incidents.visible_incidents import select_visible
from mainspring.insight.runs.unresolved_failures import UnresolvedFailures, read_unresolved_failures
from mainspring.insight.status.project_status import UnresolvedIncidents, evaluate_status, read_unresolved
from mainspring.insight.status.visible_status import VisibleProjectStatus, evaluate_visible_status
from mainspring.store.base import StoreReader
from mainspring.store.read.status import status
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.views import AutomationView

_FRESH_MS: Final = 1_000


class StatusInputs(Protocol):
    """What the status of a project is read from."""

    @property
    def reader(self) -> StoreReader: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...


class StatusSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was judged at the instant `at` (ms), and by which incidents. `free` = bytes beside the store, None on a server."""

    verdict: VisibleProjectStatus
    incidents: UnresolvedIncidents
    views: list[AutomationView]
    free: int | None
    at: int
    zone: str
    reader: StoreReader
    parts: dict[tuple[str, ...], UnresolvedFailures] = {}
    """Runs that stand still as far as those see who see these automations: read when one of them asks."""

    def of(self, visitor: Visitor, questions: int = 0) -> VisibleProjectStatus:
        """Return the verdict on what a visitor sees."""
        if visitor.is_for_all:
            return self.verdict
        views = [one for one in self.views if visitor.may_see(one.name)]
        runs = self._runs_of(tuple(view.name for view in views))
        return evaluate_visible_status(self.told_to(visitor), views, runs, questions, now=self.at, zone=self.zone)

    def _runs_of(self, names: tuple[str, ...]) -> UnresolvedFailures:
        if names not in self.parts:
            self.parts[names] = read_unresolved_failures(self.reader, names)
        return self.parts[names]

    def told_to(self, visitor: Visitor) -> list[Incident]:
        """Return the incidents that a visitor sees."""
        return select_visible(*self.incidents, visitor.may_see)


class CachedProjectStatus:
    """One of a web process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._judged_at = 0
        self._stand: StatusSnapshot | None = None
        self._act = self._judged_after = object()

    def of(self, site: StatusInputs) -> StatusSnapshot:
        """Return how it stands, of this second. Raises StoreError."""
        with self._lock:
            now, act = site.clock.now(), self._act
            is_fresh = self._judged_after is act and 0 <= now - self._judged_at < _FRESH_MS
            if self._stand is None or not is_fresh:
                self._stand = None
                self._stand = _evaluate(site, now)
                self._judged_at, self._judged_after = now, act
            return self._stand

    def forget(self) -> None:
        """Judge anew when somebody asks: something was done. Waits for no judgement that is under way, which counts for no later asker."""
        self._act = object()


def _evaluate(site: StatusInputs, now: int) -> StatusSnapshot:
    settings, reader = site.settings, site.reader
    folder = None if settings.store.is_remote else settings.store.path.parent
    free = free_bytes(folder) if folder is not None and folder.exists() else None
    environment = settings.project.environment
    incidents, views, zone = read_unresolved(reader), status.automations(reader), settings.project.timezone
    found = evaluate_status(
        reader,
        now,
        incidents,
        store=settings.store.shown,
        environment=environment,
        free=free,
        zone=zone,
        automations=views,
    )
    return StatusSnapshot(
        verdict=VisibleProjectStatus(
            *(found.head, found.sentence, found.count, found.untold, found.put_off, found.undecided_failures),
            notes=found.notes,
        ),
        incidents=incidents,
        views=views,
        free=free,
        at=now,
        zone=zone,
        reader=reader,
    )
