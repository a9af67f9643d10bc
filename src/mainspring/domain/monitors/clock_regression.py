"""Clock regression: the clock of the store was put back, and has not passed the old instant yet.

Durations go on by seconds that no one can set. What is requested for an instant of the wall clock waits for it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from mainspring.domain.clock_step import ClockRegression
from mainspring.domain.incident import IncidentKind, Subject
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor, loudest, own_verdict
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.monitors.words import about, many

_COMMANDS = {
    "start": "mainspring runs list --state queued",
    "pause": "mainspring auto list",
    "snooze": "mainspring incidents list",
}


class ClockRegressionTuning(Tuning, frozen=True, kw_only=True):
    """`least`: a clock that was put back by no more is a note in `status` alone."""

    least: Length = timedelta(minutes=5)


def judge(facts: Facts, tuning: ClockRegressionTuning, now_at: int) -> Iterator[Judged]:
    """Judge the clock, if it was put back."""
    clock = facts.clock
    if clock is None:
        return
    subject = Subject("", IncidentKind.CLOCK_REGRESSION)
    figures: dict[str, Any] = {
        "from_at": clock.from_at,
        "to_at": clock.to_at,
        "by_ms": clock.by_ms,
        "least_ms": ms(tuning.least),
        "moved_runs": clock.moved,
        "slots": clock.slots,
        **{f"{ahead.kind}s": ahead.number for ahead in clock.waiting},
    }
    yield own_verdict(
        subject,
        loudest(facts.expected(now_at)),
        figures,
        clock.to_at if clock.by_ms > ms(tuning.least) else None,
        _describe(clock),
        hint=_hint(clock),
    )


def _describe(clock: ClockRegression) -> str:
    more = "" if clock.is_lived else " or more"
    between = f"from {_instant(clock.from_at)} to {_instant(clock.to_at)}"
    text = f"the clock was put back by {about(clock.by_ms)}{more}, {between}"
    waiting = [many(ahead.number, ahead.kind) for ahead in clock.waiting]
    if waiting:
        total = sum(ahead.number for ahead in clock.waiting)
        text += f"; {' and '.join(waiting)} wait{'s' if total == 1 else ''} for the wall clock"
    if clock.slots:
        runs = "has its run and does" if clock.slots == 1 else "have their runs and do"
        text += f"; {many(clock.slots, 'slot')} that lie{'s' if clock.slots == 1 else ''} ahead {runs} not run again"
    return text


def _hint(clock: ClockRegression) -> str:
    commands = ", ".join(_COMMANDS[ahead.kind] for ahead in clock.waiting)
    decide = f" Then decide on what waits ({commands}), and resolve this incident." if commands else ""
    return (
        "Check the clock of the machine (timedatectl), on PostgreSQL that of the server."
        f"{decide} It resolves by itself at {_instant(clock.from_at)}."
    )


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


MONITOR = Monitor(
    kind=IncidentKind.CLOCK_REGRESSION,
    line="The clock was put back, and has not passed the old instant yet.",
    rule=(
        "Wrong from the moment at which the clock was put back by more than least_ms (by_ms: from from_at to to_at) until it has passed "
        "from_at, or a person resolves the incident."
    ),
    tuning=ClockRegressionTuning(),
    judge=judge,
    of_automations=False,
)
