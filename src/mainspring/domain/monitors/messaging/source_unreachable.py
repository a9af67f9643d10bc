"""Source unreachable: a broker or folder cannot be reached."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span


class UnreachableSourceTuning(Tuning, frozen=True, kw_only=True):
    """`away`: how long a source may be unreachable."""

    away: TuningSpan = timedelta(minutes=5)


def evaluate(facts: MonitorInputs, tuning: UnreachableSourceTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation with a consumer that cannot reach its source."""
    for automation in facts.expected(now_at):
        if not automation.away:
            continue
        first = min(automation.away, key=lambda source: source.since_at)
        unreachable_ms = now_at - first.since_at
        metrics = {
            "trigger": first.trigger,
            "away_ms": unreachable_ms,
            "longest_ms": to_ms(tuning.away),
            "why": first.why,
        }
        because = f": {first.why}" if first.why else ""
        yield evaluate_automation(
            automation,
            IncidentKind.SOURCE_UNREACHABLE,
            metrics,
            first.since_at if unreachable_ms >= to_ms(tuning.away) else None,
            f"{first.trigger} has not reached its source for {format_span(unreachable_ms)}{because}",
            hint=f"mainspring triggers show {first.trigger}",
            cause=None if first.source is None else f"source:{first.source}",
            at_most=Severity.NOTIFY,
        )


MONITOR = Monitor(
    kind=IncidentKind.SOURCE_UNREACHABLE,
    line="A broker or folder cannot be reached.",
    rule="Open while one of its consumers has not reached its source for longest_ms.",
    tuning=UnreachableSourceTuning(),
    evaluate=evaluate,
)
