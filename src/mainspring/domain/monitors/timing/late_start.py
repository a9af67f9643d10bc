"""Late start: a slot came and its run did not begin, because no run was created or no worker claimed it."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation, WatchedSchedule
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_span
from mainspring.domain.time.schedule import compute_jitter
from mainspring.domain.time.success_deadline import next_deadline


class LateStartTuning(Tuning, frozen=True, kw_only=True):
    """Bounds of the default grace, which is a quarter of the period; `grace=` of a definition replaces it."""

    least: TuningSpan = timedelta(minutes=1)
    most: TuningSpan = timedelta(minutes=30)


def evaluate(facts: MonitorInputs, tuning: LateStartTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the slot of each automation that should have begun first."""
    for automation in facts.expected(now_at):
        slots = [
            (slot_at, cadence) for cadence in automation.cadences if (slot_at := _oldest_open_slot(cadence)) is not None
        ]
        if slots:
            yield _evaluate_slot(automation, *min(slots, key=lambda slot: slot[0]), tuning, facts, now_at)


def _oldest_open_slot(cadence: WatchedSchedule) -> int | None:
    return cadence.next_slot_at if cadence.unbegun_at is None else cadence.unbegun_at


def _evaluate_slot(
    automation: WatchedAutomation,
    slot_at: int,
    cadence: WatchedSchedule,
    tuning: LateStartTuning,
    facts: MonitorInputs,
    now_at: int,
) -> Evaluation:
    subject = Subject(automation.name, IncidentKind.LATE_START)
    jitter_ms = compute_jitter(cadence.name, slot_at, automation.jitter_of(cadence))
    due_at = max(slot_at + jitter_ms, cadence.written_at, automation.expected_from_at)
    metrics = {"schedule": cadence.name, "slot_at": slot_at, "jitter_ms": jitter_ms, "due_at": due_at}
    if due_at > now_at:
        return evaluate_automation(automation, IncidentKind.LATE_START, metrics, None, "")
    grace_ms = _compute_grace(automation, cadence, slot_at, tuning)
    metrics |= {"grace_ms": grace_ms, "late_at": due_at + grace_ms, "run": cadence.unbegun_run}
    run_id = cadence.unbegun_run
    if cadence.unbegun_at is not None and due_at + grace_ms > now_at and subject in facts.open:
        return Evaluation(subject, metrics, unsure="a slot before it was late, and neither has started")
    reason = f"its run {run_id} is queued and no worker claims it" if run_id else "no run was created for it"
    return evaluate_automation(
        automation,
        IncidentKind.LATE_START,
        metrics,
        due_at if due_at + grace_ms <= now_at else None,
        f"not started for {format_span(now_at - due_at)} ({cadence.schedule.describe()}): {reason}",
        hint=f"mainspring explain {run_id}" if run_id else "Check the scheduler: mainspring status",
    )


def _compute_grace(
    automation: WatchedAutomation, cadence: WatchedSchedule, slot_at: int, tuning: LateStartTuning
) -> int:
    stated = automation.span("grace")
    if stated is not None:
        return to_ms(stated)
    expected = next_deadline(cadence.schedule, slot_at - 1)
    period_ms = to_ms(tuning.most) * 4 if expected is None else expected.late_at - expected.due_at
    return min(max(period_ms // 4, to_ms(tuning.least)), to_ms(tuning.most))


MONITOR = Monitor(
    kind=IncidentKind.LATE_START,
    line="A slot passed and its run did not begin.",
    rule=(
        "Opens at late_at: slot_at plus jitter_ms plus grace_ms. The grace is grace= of the definition, else a quarter of the "
        "period, at least 1 min and at most 30 min. Resolves when a run begins."
    ),
    tuning=LateStartTuning(),
    evaluate=evaluate,
)
