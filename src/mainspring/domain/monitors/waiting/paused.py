"""Paused: an automation, a queue or a single run was paused without an end, and seems forgotten."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_count, format_span


class PausedTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: how long a pause without an end may last."""

    longest: TuningSpan = timedelta(days=7)


def evaluate(facts: MonitorInputs, tuning: PausedTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each pause that has no end."""
    for automation in facts.automations:
        if automation.paused_at is not None and automation.paused_until is None and automation.retired_at is None:
            subject = Subject(automation.name, IncidentKind.PAUSED)
            hint = f"mainspring auto resume {automation.name}, or mainspring auto retire {automation.name}"
            yield _evaluate_pause(subject, "", automation.paused_at, automation.paused_by, hint, tuning, now_at)
    for queue in facts.queues:
        if queue.paused_at is not None:
            subject = Subject("", IncidentKind.PAUSED, queue.name)
            hint = f"mainspring queues resume {queue.name}"
            yield _evaluate_pause(
                subject, f"queue {queue.name} ", queue.paused_at, queue.paused_by, hint, tuning, now_at
            )


class RunPausedTuning(Tuning, frozen=True, kw_only=True):
    """`longest`: how long a single run may be paused."""

    longest: TuningSpan = timedelta(days=1)


def evaluate_runs(facts: MonitorInputs, tuning: RunPausedTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the paused runs of each automation, by the one that is paused for longest."""
    for automation in facts.automations:
        if not automation.paused_runs:
            continue
        first, longest_ms = automation.paused_runs[0], to_ms(tuning.longest)
        paused_ms = now_at - first.paused_at
        number = sum(now_at - paused.paused_at >= longest_ms for paused in automation.paused_runs)
        metrics = {"run": first.run, "by": first.by, "number": number, "paused_ms": paused_ms, "longest_ms": longest_ms}
        more = (
            "" if number < 2 else f"; {format_count(number, 'run')} are paused for {format_span(longest_ms)} or longer"
        )
        yield evaluate_automation(
            automation,
            IncidentKind.RUN_PAUSED,
            metrics,
            first.paused_at + longest_ms if paused_ms >= longest_ms else None,
            f"run {first.run} is paused for {format_span(paused_ms)} by {first.by}{more}",
            hint=f"mainspring runs resume {first.run}, or mainspring runs cancel {first.run}; all: mainspring runs list --state paused",
            at_most=Severity.NOTIFY,
        )


def _evaluate_pause(
    subject: Subject, prefix: str, paused_at: int, by: str | None, hint: str, tuning: PausedTuning, now_at: int
) -> Evaluation:
    paused_ms = now_at - paused_at
    metrics = {"paused_at": paused_at, "by": by, "paused_ms": paused_ms, "longest_ms": to_ms(tuning.longest)}
    if paused_ms < to_ms(tuning.longest):
        return Evaluation(subject, metrics)
    finding = Finding(
        subject=subject,
        severity=Severity.DIGEST,
        text=f"{prefix}paused without an end for {format_span(paused_ms)} by {by or 'an unknown person'}",
        since_at=paused_at + to_ms(tuning.longest),
        hint=hint,
        facts=metrics,
    )
    return Evaluation(subject, metrics, finding)


MONITORS = (
    Monitor(
        kind=IncidentKind.PAUSED,
        line="It was paused without an end, and may be forgotten.",
        rule="With severity digest: open while a pause without an end has lasted for longest_ms.",
        tuning=PausedTuning(),
        evaluate=evaluate,
    ),
    Monitor(
        kind=IncidentKind.RUN_PAUSED,
        line="A single run was paused, and may be forgotten.",
        rule="Open while a run of it has been paused for longest_ms.",
        tuning=RunPausedTuning(),
        evaluate=evaluate_runs,
    ),
)
