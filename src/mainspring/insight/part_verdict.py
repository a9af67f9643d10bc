"""How the part of a project stands that somebody sees: by its own incidents and automations alone. Pure: no figure tells of others."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.incident import Incident
from mainspring.insight.open_incidents import OpenIncidents
from mainspring.insight.words import many, verdict_head
from mainspring.store.views import AutomationView


class PartVerdict(msgspec.Struct, frozen=True):
    """`count` = what needs a person; `untold` = of it what no incident says."""

    sentence: str
    count: int
    untold: list[str]


def judge_part(told: Sequence[Incident], views: Sequence[AutomationView], questions: int = 0) -> PartVerdict:
    """Return the verdict on what is seen: incidents that are not resolved, and automations."""
    found, alive = OpenIncidents(told), [view for view in views if view.retired_at is None]
    untold = [
        f"{view.name} failed to load. See: mainspring auto show {view.name}"
        for view in alive
        if view.problem and view.name not in found.lost_definitions
    ]
    count = len(found.open) + len(untold)
    parts = [*found.parts(), many(len(alive), "automation")]
    if questions:
        parts.append(f"{many(questions, 'question waits', 'questions wait')} for an answer")
    return PartVerdict(f"{verdict_head(count)}: {', '.join(parts)}.", count, untold)
