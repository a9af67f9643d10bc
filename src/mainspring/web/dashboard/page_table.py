"""The table of all pages, and the lookup by path. A page that is not listed does not exist."""

from typing import Final

from mainspring.web.dashboard import search
from mainspring.web.dashboard.admin import (
    audit_log,
    effects,
    flags,
    locks,
    queues,
    restore,
    secrets,
    settings,
    targets,
    workers,
)
from mainspring.web.dashboard.automations import (
    automation,
    automations,
    backfill,
    created_schedules,
    rollouts,
    schedule,
    start_run,
)
from mainspring.web.dashboard.incidents import handover, incidents, monitors, overview
from mainspring.web.dashboard.page_route import PageRoute
from mainspring.web.dashboard.runs import bulk_operations, failed_runs, question, questions, run, run_journal, runs
from mainspring.web.dashboard.triggers import deliveries, events, outbox, triggers
from mainspring.web.server.path_table import PathTable

PAGES: Final[tuple[PageRoute, ...]] = (
    *overview.PAGES,
    *incidents.PAGES,
    *handover.PAGES,
    *failed_runs.PAGES,
    *bulk_operations.PAGES,
    *questions.PAGES,
    *question.PAGES,
    *search.PAGES,
    *start_run.PAGES,
    *backfill.PAGES,
    *schedule.PAGES,
    *created_schedules.PAGES,
    *workers.PAGES,
    *queues.PAGES,
    *runs.PAGES,
    *run.PAGES,
    *run_journal.PAGES,
    *locks.PAGES,
    *flags.PAGES,
    *effects.PAGES,
    *secrets.PAGES,
    *targets.PAGES,
    *audit_log.PAGES,
    *automations.PAGES,
    *automation.PAGES,
    *rollouts.PAGES,
    *triggers.PAGES,
    *deliveries.PAGES,
    *events.PAGES,
    *settings.PAGES,
    *monitors.PAGES,
    *outbox.PAGES,
    *restore.PAGES,
)


def find_page(raw_path: bytes) -> tuple[PageRoute, dict[str, str]] | None:
    """Return the page at a path and the names in it; None = there is none."""
    match = _PATHS.find(raw_path)
    return None if match is None else (_BY_PATH[match[0]], match[1])


_BY_PATH: Final = {page.path: page for page in PAGES}
_PATHS: Final = PathTable(_BY_PATH)
