"""Cadence drift: a schedule that really starts less often, or later, than it says, as when runs outlast its interval.

Single runs look well: each succeeds. Slots that nobody made, or that a pause took, are told elsewhere; those that a definition says are to
be skipped (overlap="skip" in it) are as it wants them.
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
    """Judge each automation with a schedule that had slots, by the one that is furthest off."""
    for one in facts.expected(now_at):
        names = [cadence.name for cadence in one.cadences]
        known = [(name, kept) for name in names if (kept := facts.punctual.get(name)) is not None]
        if any(name not in facts.punctual for name in names):
            yield Evaluation(Subject(one.name, _KIND), {}, unsure="its slots are not read yet")
        elif known:
            yield _evaluate_schedule(one, *max(known, key=lambda pair: _measure_drift(pair[1])), tuning, facts, now_at)


def _measure_drift(kept: Punctuality) -> float:
    if kept.effective_ms is None:
        return float("inf")
    return max(kept.effective_ms - kept.declared_ms, kept.lag_ms / 2) / max(kept.declared_ms, 1)


def _evaluate_schedule(
    one: WatchedAutomation, name: str, kept: Punctuality, tuning: CadenceDriftTuning, facts: MonitorInputs, now_at: int
) -> Evaluation:
    # Who is told of it already is told that it is well only once it clearly is.
    share = tuning.share / 2 if Subject(one.name, _KIND) in facts.open else tuning.share
    figures: dict[str, Any] = {
        "schedule": name,
        "slots": kept.slots,
        "skipped": kept.skipped,
        "declared_ms": kept.declared_ms,
        "effective_ms": kept.effective_ms,
        "lag_ms": kept.lag_ms,
        "limit_ms": round(kept.declared_ms * (1 + share)),
        "lag_limit_ms": round(kept.declared_ms * 2 * share),
    }
    return evaluate_automation(
        one,
        _KIND,
        figures,
        now_at - now_at % _DAY_MS if kept.slips_by(share) else None,
        _describe_drift(kept),
        hint="Make its runs shorter or its interval longer; overlap= says what a slot does while the last run goes on.",
        at_most=Severity.DIGEST,
    )


def _describe_drift(kept: Punctuality) -> str:
    declared = f"one each {format_span(kept.declared_ms)} as declared"
    if kept.effective_ms is None:
        return f"none of the last {kept.slots} slots was run, {declared}"
    late = f", begun {format_span(kept.lag_ms)} late" if kept.lag_ms >= kept.declared_ms else ""
    skipped = f"{kept.skipped} of {kept.slots} slots skipped"
    return f"one start each {format_span(kept.effective_ms)} in effect, {declared}: {skipped}{late}"


MONITOR = Monitor(
    kind=_KIND,
    line="It starts less often, or later, than its schedule says.",
    rule=(
        "Wrong, in the digest, while effective_ms, the time between starts over the newest 200 slots of the 28 days "
        "before this one, is limit_ms or more: declared_ms and half of it. Or while half of the runs began lag_limit_ms "
        "or more after their time. With fewer than 8 slots nothing is said. Once it is told, it is well only below "
        "half of the share."
    ),
    tuning=CadenceDriftTuning(),
    judge=evaluate,
)
