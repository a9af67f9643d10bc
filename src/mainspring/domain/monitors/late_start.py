"""Late start: a slot came and its run did not begin, because nobody made it or nobody took it."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.cadence import expected_after
from mainspring.domain.incident import IncidentKind, Subject
from mainspring.domain.monitors.facts import Cadence, Facts, Watched
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.tuning import Length, Tuning, ms
from mainspring.domain.monitors.words import about
from mainspring.domain.schedule import jitter_of


class LateStartTuning(Tuning, frozen=True, kw_only=True):
    """Bounds of the default grace, which is a quarter of the period; `grace=` of a definition takes its place."""

    least: Length = timedelta(minutes=1)
    most: Length = timedelta(minutes=30)


def judge(facts: Facts, tuning: LateStartTuning, now_at: int) -> Iterator[Judged]:
    """Judge the slot of each automation that should have begun first."""
    for one in facts.expected(now_at):
        slots = [(slot_at, cadence) for cadence in one.cadences if (slot_at := _slot_of(cadence)) is not None]
        if slots:
            yield _judged(one, *min(slots, key=lambda slot: slot[0]), tuning, facts, now_at)


def _slot_of(cadence: Cadence) -> int | None:
    return cadence.next_slot_at if cadence.unbegun_at is None else cadence.unbegun_at


def _judged(one: Watched, slot_at: int, cadence: Cadence, tuning: LateStartTuning, facts: Facts, now_at: int) -> Judged:
    subject = Subject(one.name, IncidentKind.LATE_START)
    put_off = jitter_of(cadence.name, slot_at, one.span("jitter"))
    due_at = max(slot_at + put_off, cadence.written_at, one.expected_from_at)
    figures = {"schedule": cadence.name, "slot_at": slot_at, "jitter_ms": put_off, "due_at": due_at}
    if due_at > now_at:
        return verdict(one, IncidentKind.LATE_START, figures, None, "")
    grace_ms = _grace_of(one, cadence, slot_at, tuning)
    figures |= {"grace_ms": grace_ms, "late_at": due_at + grace_ms, "run": cadence.unbegun_run}
    made = cadence.unbegun_run
    if cadence.unbegun_at is not None and due_at + grace_ms > now_at and subject in facts.open:
        return Judged(subject, figures, unsure="a slot before it was late, and neither has begun")
    why = f"its run {made} was made and nobody takes it" if made else "no run was made for it"
    return verdict(
        one,
        IncidentKind.LATE_START,
        figures,
        due_at if due_at + grace_ms <= now_at else None,
        f"not started for {about(now_at - due_at)} ({cadence.schedule.describe()}): {why}",
        hint=f"mainspring explain {made}" if made else "Is a scheduler running? mainspring status",
    )


def _grace_of(one: Watched, cadence: Cadence, slot_at: int, tuning: LateStartTuning) -> int:
    stated = one.span("grace")
    if stated is not None:
        return ms(stated)
    expected = expected_after(cadence.schedule, slot_at - 1)
    period_ms = ms(tuning.most) * 4 if expected is None else expected.late_at - expected.due_at
    return min(max(period_ms // 4, ms(tuning.least)), ms(tuning.most))


MONITOR = Monitor(
    kind=IncidentKind.LATE_START,
    line="A slot came and its run did not begin.",
    rule=(
        "Wrong from late_at on: slot_at, put off by jitter_ms, and grace_ms: grace= of the definition, else a "
        "quarter of the period, 1 minute at least and 30 at most. Once it is told, it is well when a run began."
    ),
    tuning=LateStartTuning(),
    judge=judge,
)
