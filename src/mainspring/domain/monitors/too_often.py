"""Too often: more starts than schedules or experience allow, as of an automation that publishes the event that it listens to."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts, Watched
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.tuning import Length, Number, Tuning, ms

WINDOW_MS = 3_600_000
_TIMES = 3
_UNLEARNED = 10


class TooOftenTuning(Tuning, frozen=True, kw_only=True):
    """`least`: so many starts in an hour are never too many; `over`: from when on the busiest hour is known."""

    least: Number = 60
    over: Length = timedelta(days=7)


def judge(facts: Facts, tuning: TooOftenTuning, now_at: int) -> Iterator[Judged]:
    """Judge each automation that was started in the last hour."""
    for one in facts.expected(now_at):
        if one.recent.started:
            yield _judged(one, tuning, facts, now_at)


def _judged(one: Watched, tuning: TooOftenTuning, facts: Facts, now_at: int) -> Judged:
    kind, started = IncidentKind.TOO_OFTEN, one.recent.started
    figures: dict[str, Any] = {"started": started, "least": tuning.least}
    is_open = Subject(one.name, kind) in facts.open
    if started <= tuning.least // (2 if is_open else 1):
        return verdict(one, kind, figures, None, "")
    if one.history is None:
        return Judged(Subject(one.name, kind), figures, unsure="its history is not read yet")
    slots = sum(len(each.schedule.slots_between(now_at - WINDOW_MS, now_at, limit=started)) for each in one.cadences)
    learned = one.history.over_ms >= ms(tuning.over)
    limit = max(tuning.least, _TIMES * slots, _TIMES * one.history.busiest_hour)
    if not learned and not one.cadences:
        limit *= _UNLEARNED
    # Who is told of it already is told that it is well only once it clearly is.
    limit_in_force = limit // 2 if is_open else limit
    figures |= {
        "slots": slots,
        "learning": not learned,
        "busiest_hour": one.history.busiest_hour,
        "limit": limit_in_force,
    }
    return verdict(
        one,
        kind,
        figures,
        now_at - WINDOW_MS if started > limit_in_force else None,
        f"started {started:,} times in an hour, {limit:,} at most are usual",
        hint=f"Does it cause what starts it? mainspring auto graph shows it; mainspring auto pause {one.name} stops it.",
        at_most=Severity.NOTIFY if learned or one.cadences else Severity.DIGEST,
    )


MONITOR = Monitor(
    kind=IncidentKind.TOO_OFTEN,
    line="It starts more often than it should.",
    rule=(
        "Wrong while started, in the last hour, is above limit: the largest of 60, 3 x its slots in that hour "
        "and 3 x its busiest hour of the last 28 days. Without a schedule and before 7 days it is ten times "
        "that, in the digest. Once it is told, it is well only at half of the limit."
    ),
    tuning=TooOftenTuning(),
    judge=judge,
)
