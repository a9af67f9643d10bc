"""Rejected message: a run rejected a signal, an event or an answer that its code cannot read, and waits on."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.text.phrases import format_count


def evaluate(facts: MonitorInputs, _tuning: Tuning, _now_at: int) -> Iterator[Evaluation]:
    """Evaluate the messages that unfinished runs of each automation have rejected, by the oldest."""
    for automation in facts.automations:
        if not automation.rejected:
            continue
        first = automation.rejected[0]
        runs = list(dict.fromkeys(fact.run for fact in automation.rejected))
        metrics = {"rejected": len(automation.rejected), "first_at": first.at, "runs": runs[:5]}
        more = "" if len(automation.rejected) == 1 else f", the oldest of {len(automation.rejected)}"
        yield evaluate_automation(
            automation,
            IncidentKind.REJECTED_MESSAGE,
            metrics,
            first.at,
            f"{format_count(len(runs), 'run')} cannot read {first.kind} {first.name!r}{more}",
            hint=f"mainspring explain {first.run}",
        )


MONITOR = Monitor(
    kind=IncidentKind.REJECTED_MESSAGE,
    line="A run rejected a signal, an event or an answer that its code cannot read.",
    rule="Open from first_at on while an unfinished run has rejected a message, and no person has decided on it.",
    tuning=Tuning(),
    evaluate=evaluate,
)
