"""Effect in doubt: an effect may or may not have happened, and no run asks a person about it."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject, highest_tier
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.text.phrases import format_count

UNSETTLED_MS = 24 * 60 * 60 * 1000
"""How long an effect of unknown outcome waits for the next call of its key, which settles it, before it counts as in doubt."""
_MAX_KEYS = 5


def evaluate(facts: MonitorInputs, _tuning: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate all effects in doubt together: each blocks only the calls of its own key."""
    doubts = facts.doubts
    if not doubts:
        return
    subject = Subject("", IncidentKind.EFFECT_IN_DOUBT)
    severity = highest_tier(facts.expected(now_at)).at_most(Severity.NOTIFY)
    first = doubts[0]
    metrics = {"number": len(doubts), "first_at": first.since_at, "keys": [doubt.key for doubt in doubts[:_MAX_KEYS]]}
    more = "" if len(doubts) == 1 else f", and {format_count(len(doubts) - 1, 'more effect')}"
    reason = f": {first.reason}" if first.reason else ""
    yield evaluate_subject(
        subject,
        severity,
        metrics,
        first.since_at,
        f"effect {first.key} may or may not have happened{reason}{more}",
        hint="mainspring effects list --state in_doubt, and --state unknown",
    )


MONITOR = Monitor(
    kind=IncidentKind.EFFECT_IN_DOUBT,
    line="An effect may or may not have happened, and no run asks a person about it.",
    rule="Open from first_at on while an effect outside of runs, or of a run that ended, is in doubt, or unknown for 24 h.",
    tuning=Tuning(),
    evaluate=evaluate,
    of_automations=False,
)
