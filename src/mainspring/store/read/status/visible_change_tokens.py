"""Visible change tokens: those of some automations, so that a person who sees no others notices no change of theirs."""

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

_WRONG = 1_000
"""Incidents that are not resolved."""
_LOOKED_AT = 20_000
"""Deliveries among which the newest are looked for."""


def read_visible_change_tokens(reader: StoreReader, now: int, sees: Callable[[str], bool]) -> ChangeTokens:
    """Return the mark of each noun that belongs to automations, of those that are seen alone, at the instant `now` (ms UTC).

    An act on a run that is none of the newest is heard of once the run goes on by it.
    """
    names = [name for name in automation_names(reader) if sees(name)]
    if not names:
        return {}
    triggers = [name for name in trigger_names(reader) if sees(split_trigger_name(name)[0])]
    newest_line = parts_since(reader, now - MINUTES_MS, names, 1)
    with reader.snapshot() as read:
        figures = read("list_stats_tokens", (now - MINUTES_MS - now % 60_000,))
        planned = [*read("list_automation_tokens"), *read("list_schedule_tokens")]
    return hash_rows(
        {
            "runs": [
                [
                    (one.seq, one.state, one.started_at, one.finished_at, one.steps, one.progress)
                    for one in run_page(reader, names=names, limit=NEWEST).runs
                ],
                [plain_sums(row[1:]) for row in figures if sees(row[0])],
            ],
            "logs": [(one.run, one.seq, one.lines) for one in newest_line],
            "questions": [(one.run, one.ident) for one in questions(reader, NEWEST, names)],
            "incidents": [
                (one.id, one.state, one.changed_at, one.number)
                for one in open_incidents(reader, _WRONG)
                if one.subject.automation and sees(one.subject.automation)
            ],
            "automations": [row for row in planned if sees(row[0])],
            "deliveries": [
                (one.seq, one.state, one.changed_at)
                for one in deliveries(reader, triggers=triggers, limit=NEWEST, at_most=_LOOKED_AT).deliveries
            ],
            "bulk": [
                (one.id, one.state, one.done, one.refused)
                for one in bulk_operations.bulk_acts(reader, limit=NEWEST)
                if one.automations and all(map(sees, one.automations))
            ],
        }
    )
