"""How the part of a project stands that somebody sees: by its own incidents and automations alone. Pure: no figure tells of others."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.incidents.incident import Incident
from mainspring.insight.incidents.open_incidents import OpenIncidents
from mainspring.insight.runs.unresolved_failures import NO_RUNS, UnresolvedFailures
from mainspring.insight.text.formatting import format_count
from mainspring.store.views import AutomationView, Capped


class VisibleProjectStatus(msgspec.Struct, frozen=True):
    """`head` = how the sentence begins, in a few words; `count` = what needs a person; `untold` = of it what no incident says.

    `put_off` = incidents of severity page that somebody looks after, `undecided_failures` = failed runs that are undecided; see `Verdict`.
    """

    head: str
    sentence: str
    count: int
    untold: list[str]
    put_off: int = 0
    undecided_failures: Capped = NO_RUNS
    notes: list[str] = []
    """What is to be known and needs no person."""


def evaluate_visible_status(
    told: Sequence[Incident],
    views: Sequence[AutomationView],
    runs: UnresolvedFailures,
    questions: int = 0,
    *,
    now: int,
    zone: str,
) -> VisibleProjectStatus:
    """Return the verdict on what is seen: incidents that are not resolved, automations, and `runs` of theirs that stand still."""
    found, alive = OpenIncidents(told), [view for view in views if view.retired_at is None]
    untold = [*runs.untold()]
    untold += [
        f"{view.name} failed to load. See: mainspring auto show {view.name}"
        for view in alive
        if view.problem and view.name not in found.lost_definitions
    ]
    count = len(found.open) + len(untold)
    parts = [*found.parts(), format_count(len(alive), "automation")]
    if questions:
        parts.append(f"{format_count(questions, 'question waits', 'questions wait')} for an answer")
    head = runs.head(found.head(count, now, zone), count)
    sentence = f"{runs.opening(head, count)}: {', '.join(parts)}."
    count = max(count, runs.undecided.number and 1)
    return VisibleProjectStatus(head, sentence, count, untold, len(found.put_off), runs.undecided)
