"""Early signs: what is not wrong, and worth a look when there is time. Told in the digest, of a day or of a week. Pure."""

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
    """Figures of one automation over the span: attempts of steps that failed, and how runs ended."""

    errors: int
    succeeded: int
    bad: int
    """Failed, or needing a person."""


class EarlyWarning(msgspec.Struct, frozen=True):
    """`label` = what kind of sign it is, the same for all of one kind."""

    label: str
    automation: str
    text: str


def find_early_warnings(facts: MonitorInputs, ended: Mapping[str, RunTotals], now: int) -> tuple[EarlyWarning, ...]:
    """Return the signs at the instant `now` (ms), of each kind by automation; what is an incident already is left out.

    `ended` = the figures of the span that ends then.
    """
    wrong = {one.automation for one in facts.open}
    found = (
        *_find_healed_errors(ended),
        *_find_slower_runs(facts, now),
        *_find_missing_first_success(facts, now),
        *_find_near_silence(facts, now),
        *_find_paused(facts, now),
        *_find_unknown_senders(facts),
    )
    return tuple(one for one in found if one.automation not in wrong)


def _find_healed_errors(ended: Mapping[str, RunTotals]) -> Iterator[EarlyWarning]:
    for name, one in sorted(ended.items()):
        if one.errors and one.succeeded and not one.bad:
            attempts = f"{format_count(one.errors, 'attempt')} failed"
            yield EarlyWarning("Healed by retry", name, f"{attempts}, and every run succeeded")


def _find_slower_runs(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    histories = {one.name: one.history for one in facts.automations}
    for judged in run_duration.evaluate_slow(facts, run_duration.SlowTuning(), now):
        history, took_ms = histories[judged.subject.automation], judged.figures.get("half_took_ms")
        if judged.finding is not None or history is None or took_ms is None or judged.figures.get("learning", True):
            continue
        usual_ms = 2 ** history.bucket_at(0.5)
        if took_ms > _SLOWDOWN_FACTOR * usual_ms:
            text = f"half of the last runs took {format_span(took_ms)} or more, half of all at most {format_span(usual_ms)}"
            yield EarlyWarning("Slower than usual", judged.subject.automation, text)


def _find_missing_first_success(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for one in facts.expected(now):
        if one.succeeded_at is None and one.ends and now - one.announced_at >= DAY_MS:
            yield EarlyWarning(
                "Never succeeded",
                one.name,
                f"known for {format_span(now - one.announced_at)}, and no run has succeeded",
            )


def _find_near_silence(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for judged in silence.evaluate(facts, silence.SilenceTuning(), now):
        figures, late_at = judged.figures, judged.figures.get("late_at")
        if judged.finding is not None or not isinstance(late_at, int) or late_at <= now or figures.get("learning"):
            continue
        due_at, window_ms = figures.get("due_at"), figures.get("window_ms")
        is_near = due_at < now if due_at is not None else now > late_at - (1 - _NEAR_SILENCE_SHARE) * (window_ms or 0)
        if is_near:
            yield EarlyWarning(
                "Nearly silent",
                judged.subject.automation,
                f"without a success it is an incident in {format_span(late_at - now)}",
            )


def _find_paused(facts: MonitorInputs, now: int) -> Iterator[EarlyWarning]:
    for one in facts.automations:
        paused = one.paused_at is not None and one.retired_at is None and (one.paused_until or now + 1) > now
        if paused and now - (one.paused_at or now) >= DAY_MS:
            yield EarlyWarning(
                "Paused long",
                one.name,
                f"for {format_span(now - (one.paused_at or now))} by {one.paused_by or 'somebody'}",
            )


def _find_unknown_senders(facts: MonitorInputs) -> Iterator[EarlyWarning]:
    for one in facts.automations:
        for sender in one.rejected_senders:
            text = f"{format_count(sender.number, 'request')} to {sender.trigger} carried a wrong signature (401)"
            yield EarlyWarning("Wrong signatures", one.name, text)


def group_by_label(signs: Iterable[EarlyWarning]) -> dict[str, list[EarlyWarning]]:
    """Return signs by their label, in the order in which they come."""
    found: dict[str, list[EarlyWarning]] = {}
    for one in signs:
        found.setdefault(one.label, []).append(one)
    return found
