"""Visible change tokens: those of some automations, so that a person without access to others learns of no change of
theirs.
"""

from collections.abc import Callable

from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.base import StoreReader
from mainspring.store.read import bulk_operations
from mainspring.store.read.incidents import open_incidents
from mainspring.store.read.runs.logs import parts_since
from mainspring.store.read.runs.run_pages import run_page
from mainspring.store.read.runs.run_views import questions
from mainspring.store.read.status.change_tokens import MINUTES_MS, NEWEST, ChangeTokens, hash_rows, plain_sums
from mainspring.store.read.status.status import automation_names
from mainspring.store.read.triggers import deliveries, trigger_names

_MOST_INCIDENTS = 1_000
"""Limit of unresolved incidents."""
_MOST_SEARCHED = 20_000
"""Deliveries among which the newest are searched."""


def read_visible_change_tokens(reader: StoreReader, now: int, is_visible: Callable[[str], bool]) -> ChangeTokens:
    """Return the token of each noun of the visible automations at the instant `now` (ms UTC).

    An operation on a run that is none of the newest is noticed once the run continues.
    """
    names = [name for name in automation_names(reader) if is_visible(name)]
    if not names:
        return {}
    triggers = [name for name in trigger_names(reader) if is_visible(split_trigger_name(name)[0])]
    newest_line = parts_since(reader, now - MINUTES_MS, names, 1)
    with reader.snapshot() as read:
        stats = read("list_stats_tokens", (now - MINUTES_MS - now % 60_000,))
        planned = [*read("list_automation_tokens"), *read("list_schedule_tokens")]
    return hash_rows(
        {
            "runs": [
                [
                    (run.seq, run.state, run.started_at, run.finished_at, run.steps, run.progress)
                    for run in run_page(reader, names=names, limit=NEWEST).runs
                ],
                [plain_sums(tuple(sums)) for automation, *sums in stats if is_visible(automation)],
            ],
            "logs": [(part.run, part.seq, part.lines) for part in newest_line],
            "questions": [(question.run, question.ident) for question in questions(reader, NEWEST, names)],
            "incidents": [
                (incident.id, incident.state, incident.changed_at, incident.number)
                for incident in open_incidents(reader, _MOST_INCIDENTS)
                if incident.subject.automation and is_visible(incident.subject.automation)
            ],
            "automations": [(automation, *more) for automation, *more in planned if is_visible(automation)],
            "deliveries": [
                (delivery.seq, delivery.state, delivery.changed_at)
                for delivery in deliveries(reader, triggers=triggers, limit=NEWEST, at_most=_MOST_SEARCHED).deliveries
            ],
            "bulk": [
                (bulk.id, bulk.state, bulk.done, bulk.refused)
                for bulk in bulk_operations.list_bulk_operations(reader, limit=NEWEST)
                if bulk.automations and all(map(is_visible, bulk.automations))
            ],
        }
    )
