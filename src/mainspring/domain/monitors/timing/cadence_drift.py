"""Cadence drift: a schedule starts less often, or later, than it declares, as when runs outlast its interval.

Single runs look healthy: each succeeds. Slots that were never created, or that a pause skipped, are reported by other monitors; slots that
a definition skips on purpose (overlap="skip" in it) do not count.
"""

from collections.abc import Iterator
from typing import Any

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningShare
from mainspring.domain.text.phrases import format_span
from mainspring.domain.time.punctuality import DEFAULT_SHARE, Punctuality

_KIND = IncidentKind.CADENCE_DRIFT
_DAY_MS = 24 * 3_600_000


class CadenceDriftTuning(Tuning, frozen=True, kw_only=True):
    """`share` of the declared period by which starts may lie further apart; they may be late by twice that."""

    share: TuningShare = DEFAULT_SHARE


def evaluate(facts: MonitorInputs, tuning: CadenceDriftTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation with a schedule that had slots, by the one that is furthest off."""
    for automation in facts.expected(now_at):
        names = [cadence.name for cadence in automation.cadences]
        known = [(name, punctuality) for name in names if (punctuality := facts.punctual.get(name)) is not None]
        if any(name not in facts.punctual for name in names):
            yield Evaluation(Subject(automation.name, _KIND), {}, unsure="its slots are not read yet")
        elif known:
            yield _evaluate_schedule(
                automation, *max(known, key=lambda pair: _measure_drift(pair[1])), tuning, facts, now_at
            )


def _measure_drift(punctuality: Punctuality) -> float:
    if punctuality.effective_ms is None:
        return float("inf")
    return max(punctuality.effective_ms - punctuality.declared_ms, punctuality.lag_ms / 2) / max(
        punctuality.declared_ms, 1
    )


def _evaluate_schedule(
    automation: WatchedAutomation,
    name: str,
    punctuality: Punctuality,
    tuning: CadenceDriftTuning,
    facts: MonitorInputs,
    now_at: int,
) -> Evaluation:
    # Hysteresis: an open incident resolves only when the schedule is clearly back.
    share = tuning.share / 2 if Subject(automation.name, _KIND) in facts.open else tuning.share
    metrics: dict[str, Any] = {
        "schedule": name,
        "slots": punctuality.slots,
        "skipped": punctuality.skipped,
        "declared_ms": punctuality.declared_ms,
        "effective_ms": punctuality.effective_ms,
        "lag_ms": punctuality.lag_ms,
        "limit_ms": round(punctuality.declared_ms * (1 + share)),
        "lag_limit_ms": round(punctuality.declared_ms * 2 * share),
    }
    return evaluate_automation(
        automation,
        _KIND,
        metrics,
        now_at - now_at % _DAY_MS if punctuality.slips_by(share) else None,
        _describe_drift(punctuality),
        hint="Make its runs shorter or its interval longer. overlap= decides what a slot does while the last "
        "run has not ended.",
        at_most=Severity.DIGEST,
    )


def _describe_drift(punctuality: Punctuality) -> str:
    declared = f"declared is one each {format_span(punctuality.declared_ms)}"
    if punctuality.effective_ms is None:
        return f"none of the last {punctuality.slots} slots was run; {declared}"
    late = f", started {format_span(punctuality.lag_ms)} late" if punctuality.lag_ms >= punctuality.declared_ms else ""
    skipped = f"{punctuality.skipped} of {punctuality.slots} slots skipped"
    return f"starts each {format_span(punctuality.effective_ms)}, {declared}: {skipped}{late}"


MONITOR = Monitor(
    kind=_KIND,
    line="It starts less often, or later, than its schedule declares.",
    rule=(
        "With severity digest: open while effective_ms is at least limit_ms, which is declared_ms and half of it. The "
        "effective time is that between starts, over the newest 200 slots of the 28 days before this one. Open too while half "
        "of the runs began lag_limit_ms or more after their time. It does not open with fewer than 8 slots. An open incident "
        "resolves below half of the share."
    ),
    tuning=CadenceDriftTuning(),
    evaluate=evaluate,
)
