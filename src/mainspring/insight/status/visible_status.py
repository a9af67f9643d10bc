"""Status of the visible part of a project: from its own incidents and automations only. Pure: no count reveals others."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.incidents.incident import Incident
from mainspring.insight.incidents.open_incidents import OpenIncidents
from mainspring.insight.runs.unresolved_failures import NO_RUNS, UnresolvedFailures
from mainspring.insight.text.formatting import format_count
from mainspring.store.views import AutomationView, Capped


class VisibleProjectStatus(msgspec.Struct, frozen=True):
    """`head` = the start of the sentence; `count` = what needs a person; `untold` = the part that no incident reports.

    `put_off` = acknowledged or snoozed incidents of severity page, `undecided_failures` = failed runs without a decision; see
    `ProjectStatus`.
    """

    head: str
    sentence: str
    count: int
    untold: list[str]
    put_off: int = 0
    undecided_failures: Capped = NO_RUNS
    notes: list[str] = []
    """Facts that need no person."""


def evaluate_visible_status(
    incidents: Sequence[Incident],
    views: Sequence[AutomationView],
    runs: UnresolvedFailures,
    questions: int = 0,
    *,
    now: int,
    zone: str,
) -> VisibleProjectStatus:
    """Return the status of visible incidents, automations, and `runs` of theirs that stopped."""
    reported, alive = OpenIncidents(incidents), [view for view in views if view.retired_at is None]
    unreported = [*runs.unreported()]
    unreported += [
        f"{view.name} failed to load. See: mainspring auto show {view.name}"
        for view in alive
        if view.problem and view.name not in reported.lost_definitions
    ]
    count = len(reported.open) + len(unreported)
    parts = [*reported.parts(), format_count(len(alive), "automation")]
    if questions:
        parts.append(f"{format_count(questions, 'question waits', 'questions wait')} for an answer")
    head = runs.head(reported.head(count, now, zone), count)
    sentence = f"{runs.opening(head, count)}: {', '.join(parts)}."
    count = max(count, runs.undecided.number and 1)
    return VisibleProjectStatus(head, sentence, count, unreported, len(reported.put_off), runs.undecided)
