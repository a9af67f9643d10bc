"""Early warnings: signs that are no incident, and worth a check when there is time. Sent in the digest, of a day or of a week. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.outcomes import run_duration
from mainspring.domain.monitors.timing import silence
from mainspring.domain.text.phrases import format_count, format_span

DAY_MS = 24 * 3_600_000
_NEAR_SILENCE_SHARE = 0.75
_SLOWDOWN_FACTOR = 2


class RunTotals(msgspec.Struct, frozen=True):
    """Totals of one automation over the period: failed attempts of steps, and how runs ended."""

    errors: int
    succeeded: int
    bad: int
    """Failed, or needing a person."""


class EarlyWarning(msgspec.Struct, frozen=True):
    """An early warning; `label` = its kind, the same for all of one kind."""

    label: str
    automation: str
    text: str


def find_early_warnings(facts: MonitorInputs, ended: Mapping[str, RunTotals], now: int) -> tuple[EarlyWarning, ...]:
    """Return the warnings at the instant `now` (ms), of each kind by automation; a problem with an open incident is left out.

    `ended` = the totals of the period that ends then.
    """
    with_incident = {subject.automation for subject in facts.open}
    warnings = (
        *_find_healed_errors(ended),
        *_find_slower_runs(facts, now),
        *_find_missing_first_success(facts, now),
        *_find_near_silence(facts, now),
        *_find_paused(facts, now),
        *_find_unknown_senders(facts),
    )
    return tuple(warning for warning in warnings if warning.automation not in with_incident)


def _find_healed_errors(ended: Mapping[str, RunTotals]) -> Iterator[EarlyWarning]:
    for name, totals in sorted(ended.items()):
        if totals.errors and totals.succeeded and not totals.bad:
            attempts = f"{format_count(totals.errors, 'attempt')} failed"
            yield EarlyWarning("Fixed by a retry", name, f"{attempts}, and every run succeeded")


def _find_slower_runs(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    histories = {automation.name: automation.history for automation in facts.automations}
    for evaluation in run_duration.evaluate_slow(facts, run_duration.SlowTuning(), now):
        history, duration_ms = histories[evaluation.subject.automation], evaluation.figures.get("half_took_ms")
        if (
            evaluation.finding is not None
            or history is None
            or duration_ms is None
            or evaluation.figures.get("learning", True)
        ):
            continue
        usual_ms = 2 ** history.bucket_at(0.5)
        if duration_ms > _SLOWDOWN_FACTOR * usual_ms:
            text = f"half of the last runs took {format_span(duration_ms)} or more, half of all at most {format_span(usual_ms)}"
            yield EarlyWarning("Slower than usual", evaluation.subject.automation, text)


def _find_missing_first_success(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for automation in facts.expected(now):
        if automation.succeeded_at is None and automation.ends and now - automation.announced_at >= DAY_MS:
            yield EarlyWarning(
                "Never succeeded",
                automation.name,
                f"known for {format_span(now - automation.announced_at)}, and no run has succeeded",
            )


def _find_near_silence(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for evaluation in silence.evaluate(facts, silence.SilenceTuning(), now):
        metrics, late_at = evaluation.figures, evaluation.figures.get("late_at")
        if evaluation.finding is not None or not isinstance(late_at, int) or late_at <= now or metrics.get("learning"):
            continue
        due_at, window_ms = metrics.get("due_at"), metrics.get("window_ms")
        is_near = due_at < now if due_at is not None else now > late_at - (1 - _NEAR_SILENCE_SHARE) * (window_ms or 0)
        if is_near:
            yield EarlyWarning(
                "Nearly silent",
                evaluation.subject.automation,
                f"without a success it is an incident in {format_span(late_at - now)}",
            )


def _find_paused(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for automation in facts.automations:
        is_paused = (
            automation.paused_at is not None
            and automation.retired_at is None
            and (automation.paused_until or now + 1) > now
        )
        if is_paused and now - (automation.paused_at or now) >= DAY_MS:
            yield EarlyWarning(
                "Paused long",
                automation.name,
                f"for {format_span(now - (automation.paused_at or now))} by "
                f"{automation.paused_by or 'an unknown person'}",
            )


def _find_unknown_senders(facts: MonitorInputs) -> Iterator[EarlyWarning]:
    for automation in facts.automations:
        for sender in automation.rejected_senders:
            text = f"{format_count(sender.number, 'request')} to {sender.trigger} had an invalid signature (401)"
            yield EarlyWarning("Invalid signatures", automation.name, text)


def group_by_label(signs: Iterable[EarlyWarning]) -> dict[str, list[EarlyWarning]]:
    """Return warnings by their label, in the order in which they come."""
    groups: dict[str, list[EarlyWarning]] = {}
    for warning in signs:
        groups.setdefault(warning.label, []).append(warning)
    return groups
