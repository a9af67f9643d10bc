"""Punctuality: how often a schedule really starts runs, compared with its declaration. Single runs do not show a cadence that slips.

A run that outlasts its interval makes every other slot be skipped, or lets a line of runs grow: "every 20 s" has become every 60 s. Slots
that were missed because no scheduler ran, or that a pause skipped, are reported elsewhere and do not count here.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median

import msgspec

from mainspring.domain.time.schedule import compute_jitter
from mainspring.domain.time.slot_verdict import SlotVerdict

MIN_SLOTS = 8
"""With fewer slots nothing is reported."""
DEFAULT_SHARE = 0.5
"""The share by which starts may lie further apart than their slots before it is reported."""


class ServedSlot(msgspec.Struct, frozen=True):
    """A slot that was run or skipped: when its run was due to begin, and when it did (None = skipped, or it has not yet)."""

    slot_at: int
    due_at: int
    started_at: int | None
    is_skipped: bool


class Punctuality(msgspec.Struct, frozen=True):
    """`declared_ms` = mean time between slots, `effective_ms` = between starts, `lag_ms` = how long after its time a run begins."""

    slots: int
    skipped: int
    declared_ms: int
    effective_ms: int | None
    lag_ms: int

    @property
    def slips(self) -> bool:
        """Whether it starts so much less often, or so much later, than declared that a person should know."""
        return self.slips_by(DEFAULT_SHARE)

    def slips_by(self, share: float) -> bool:
        """Whether starts lie further apart than declared by this share of that, or runs begin later by twice the share."""
        if self.slots < MIN_SLOTS:
            return False
        return (
            self.effective_ms is None
            or self.effective_ms >= self.declared_ms * (1 + share)
            or self.lag_ms >= self.declared_ms * 2 * share
        )


class SlotStart(msgspec.Struct, frozen=True):
    """A slot and its outcome: `verdict` of the scheduler, instants of its run, if known."""

    slot_at: int
    verdict: str
    started_at: int | None
    finished_at: int | None


def list_served_slots(schedule: str, starts: Iterable[SlotStart], jitter: timedelta | None) -> list[ServedSlot]:
    """Return the slots that were run or skipped; one whose run ended before it began does not count."""
    return [
        ServedSlot(
            start.slot_at,
            start.slot_at + compute_jitter(schedule, start.slot_at, jitter),
            start.started_at,
            start.verdict == SlotVerdict.SKIPPED,
        )
        for start in starts
        if start.verdict != SlotVerdict.MISSED
        and (start.verdict == SlotVerdict.SKIPPED or start.started_at is not None or start.finished_at is None)
    ]


def measure_punctuality(served: Sequence[ServedSlot], now_at: int) -> Punctuality | None:
    """Return the punctuality of a schedule; None if there are too few slots to have a time between them."""
    if len(served) < 2:
        return None
    times = sorted(slot.slot_at for slot in served)
    period = times[-1] - times[0]
    started = [slot for slot in served if not slot.is_skipped]
    lags = [max((now_at if slot.started_at is None else slot.started_at) - slot.due_at, 0) for slot in started]
    declared = period // (len(times) - 1)
    return Punctuality(
        slots=len(served),
        skipped=len(served) - len(started),
        declared_ms=declared,
        effective_ms=declared * len(served) // len(started) if started else None,
        lag_ms=round(median(lags)) if lags else 0,
    )
