"""Clock regression: the clock of the store was put back, and has not passed the old instant yet.

Durations use seconds that no one can set, so they are not affected. Work that is due at an instant of the wall clock waits for it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_subject, highest_tier
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span
from mainspring.domain.time.clock_step import ClockRegression

_COMMANDS = {
    "start": "mainspring runs list --state queued",
    "pause": "mainspring auto list",
    "snooze": "mainspring incidents list",
}


class ClockRegressionTuning(Tuning, frozen=True, kw_only=True):
    """`least`: a clock that was put back by this or less is only a note in `status`."""

    least: TuningSpan = timedelta(minutes=5)


def evaluate(facts: MonitorInputs, tuning: ClockRegressionTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the clock, if it was put back."""
    clock = facts.clock
    if clock is None:
        return
    subject = Subject("", IncidentKind.CLOCK_REGRESSION)
    metrics: dict[str, Any] = {
        "from_at": clock.from_at,
        "to_at": clock.to_at,
        "by_ms": clock.by_ms,
        "least_ms": to_ms(tuning.least),
        "moved_runs": clock.moved,
        "slots": clock.slots,
        **{f"{ahead.kind}s": ahead.number for ahead in clock.waiting},
    }
    yield evaluate_subject(
        subject,
        highest_tier(facts.expected(now_at)),
        metrics,
        clock.to_at if clock.by_ms > to_ms(tuning.least) else None,
        _describe(clock),
        hint=_suggest_commands(clock),
    )


def _describe(clock: ClockRegression) -> str:
    more = "" if clock.is_lived else " or more"
    between = f"from {_format_instant(clock.from_at)} to {_format_instant(clock.to_at)}"
    text = f"the clock was put back by {format_span(clock.by_ms)}{more}, {between}"
    waiting = [format_count(ahead.number, ahead.kind) for ahead in clock.waiting]
    if waiting:
        total = sum(ahead.number for ahead in clock.waiting)
        text += f"; {' and '.join(waiting)} wait{'s' if total == 1 else ''} for the wall clock"
    if clock.slots:
        runs = "already has its run and does" if clock.slots == 1 else "already have their runs and do"
        text += f"; {format_count(clock.slots, 'slot')} between these times {runs} not run again"
    return text


def _suggest_commands(clock: ClockRegression) -> str:
    commands = ", ".join(_COMMANDS[ahead.kind] for ahead in clock.waiting)
    decide = f" Then decide what to do with them ({commands}), and resolve this incident." if commands else ""
    return (
        f"Check the clock of the machine (timedatectl), on PostgreSQL the clock of the server.{decide} It "
        f"resolves by itself at {_format_instant(clock.from_at)}."
    )


def _format_instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


MONITOR = Monitor(
    kind=IncidentKind.CLOCK_REGRESSION,
    line="The clock was set back, and has not reached the old time yet.",
    rule=(
        "Opens when the clock is set back by more than least_ms (by_ms: from from_at to to_at). Resolves when the clock has "
        "passed from_at, or when a person resolves it."
    ),
    tuning=ClockRegressionTuning(),
    evaluate=evaluate,
    of_automations=False,
)
