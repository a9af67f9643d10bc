"""THE table of pages: every page there is, and finding the one that a path means. What is not in it is not there."""

from typing import Final

from mainspring.web.dashboard import (
    audit_log,
    automation,
    automations,
    backfill,
    bulk,
    deliveries,
    events,
    failed,
    handover,
    incidents,
    locks,
    monitors,
    now,
    outbox,
    queues,
    run,
    run_journal,
    run_now,
    runs,
    schedule,
    search,
    settings,
    triggers,
    undecided,
    waiting,
    workers,
)
from mainspring.web.dashboard.page import PageRoute
from mainspring.web.paths import Paths

PAGES: Final[tuple[PageRoute, ...]] = (
    *now.PAGES,
    *incidents.PAGES,
    *handover.PAGES,
    *failed.PAGES,
    *bulk.PAGES,
    *waiting.PAGES,
    *search.PAGES,
    *run_now.PAGES,
    *backfill.PAGES,
    *schedule.PAGES,
    *workers.PAGES,
    *queues.PAGES,
    *runs.PAGES,
    *run.PAGES,
    *run_journal.PAGES,
    *locks.PAGES,
    *audit_log.PAGES,
    *automations.PAGES,
    *automation.PAGES,
    *triggers.PAGES,
    *deliveries.PAGES,
    *events.PAGES,
    *settings.PAGES,
    *monitors.PAGES,
    *outbox.PAGES,
    *undecided.PAGES,
)


def find(raw_path: bytes) -> tuple[PageRoute, dict[str, str]] | None:
    """Return the page at a path and the names in it; None = there is none."""
    found = _PATHS.find(raw_path)
    return None if found is None else (_BY_PATH[found[0]], found[1])


_BY_PATH: Final = {page.path: page for page in PAGES}
_PATHS: Final = Paths(_BY_PATH)
