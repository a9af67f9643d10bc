"""Rejected message: a run rejected a signal or event that its code cannot read, and waits on."""

from collections.abc import Iterator

from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.monitors.words import many


def judge(facts: Facts, _tuning: Tuning, _now_at: int) -> Iterator[Judged]:
    """Judge what the unfinished runs of each automation have rejected, by the oldest of it."""
    for automation in facts.automations:
        if not automation.rejected:
            continue
        first = automation.rejected[0]
        runs = list(dict.fromkeys(fact.run for fact in automation.rejected))
        figures = {"rejected": len(automation.rejected), "first_at": first.at, "runs": runs[:5]}
        more = "" if len(automation.rejected) == 1 else f", the oldest of {len(automation.rejected)}"
        yield verdict(
            automation,
            IncidentKind.REJECTED_MESSAGE,
            figures,
            first.at,
            f"{many(len(runs), 'run')} cannot read what came: {first.kind} {first.name!r}{more}",
            hint=f"mainspring explain {first.run}",
        )


MONITOR = Monitor(
    kind=IncidentKind.REJECTED_MESSAGE,
    line="A run rejected a signal or event that its code cannot read.",
    rule="Wrong from first_at on, while an unfinished run has rejected something that no person has decided on.",
    tuning=Tuning(),
    judge=judge,
)
