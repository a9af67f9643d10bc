"""Source away: a broker or folder cannot be reached."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span


class SourceAwayTuning(Tuning, frozen=True, kw_only=True):
    """`away`: so long may a source be out of reach."""

    away: TuningSpan = timedelta(minutes=5)


def evaluate(facts: MonitorInputs, tuning: SourceAwayTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each automation with a desk that cannot reach its source."""
    for one in facts.expected(now_at):
        if not one.away:
            continue
        first = min(one.away, key=lambda away: away.since_at)
        away_ms = now_at - first.since_at
        figures = {"trigger": first.trigger, "away_ms": away_ms, "longest_ms": to_ms(tuning.away), "why": first.why}
        because = f": {first.why}" if first.why else ""
        yield evaluate_automation(
            one,
            IncidentKind.SOURCE_AWAY,
            figures,
            first.since_at if away_ms >= to_ms(tuning.away) else None,
            f"{first.trigger} has not reached its source for {format_span(away_ms)}{because}",
            hint=f"mainspring triggers show {first.trigger}",
            cause=None if first.source is None else f"source:{first.source}",
            at_most=Severity.NOTIFY,
        )


MONITOR = Monitor(
    kind=IncidentKind.SOURCE_AWAY,
    line="A broker or folder cannot be reached.",
    rule="Wrong while one of its desks has been away for longest_ms or more.",
    tuning=SourceAwayTuning(),
    judge=evaluate,
)
