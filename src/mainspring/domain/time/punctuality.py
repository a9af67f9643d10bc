"""How often a schedule really starts something, against how often it says: a cadence that slips is seen by nobody who looks at single runs.

A run that outlasts its interval makes every other slot be skipped, or lets a line of runs grow: "every 20 s" has become every 60 s.
Slots that were missed because nobody scheduled, or that a pause took, are told elsewhere and count for nothing here.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median

import msgspec

from mainspring.domain.time.schedule import compute_jitter
from mainspring.domain.time.slot_verdict import SlotVerdict

MIN_SLOTS = 8
"""With fewer slots nothing is said."""
DEFAULT_SHARE = 0.5
"""By so much starts may lie further apart than their slots, before somebody should know."""


class ServedSlot(msgspec.Struct, frozen=True):
    """A slot that was run or skipped: when its run was to begin, and when it did (None = skipped, or it has not yet)."""

    slot_at: int
    due_at: int
    started_at: int | None
    is_skipped: bool


class Punctuality(msgspec.Struct, frozen=True):
    """In milliseconds: `declared` = mean time between slots, `effective` = between starts, `lag` = how long after its time a run begins."""

    slots: int
    skipped: int
    declared_ms: int
    effective_ms: int | None
    lag_ms: int

    @property
    def slips(self) -> bool:
        """Whether it starts so much less often, or so much later, than it says, that somebody should know."""
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
    """A slot and what became of it: `verdict` as the scheduler has it, instants of its run, as far as that is known."""

    slot_at: int
    verdict: str
    started_at: int | None
    finished_at: int | None


def list_served_slots(schedule: str, starts: Iterable[SlotStart], jitter: timedelta | None) -> list[ServedSlot]:
    """Return the slots that were run or skipped; one whose run ended before it began counts for nothing."""
    return [
        ServedSlot(
            one.slot_at,
            one.slot_at + compute_jitter(schedule, one.slot_at, jitter),
            one.started_at,
            one.verdict == SlotVerdict.SKIPPED,
        )
        for one in starts
        if one.verdict != SlotVerdict.MISSED
        and (one.verdict == SlotVerdict.SKIPPED or one.started_at is not None or one.finished_at is None)
    ]


def measure_punctuality(served: Sequence[ServedSlot], now_at: int) -> Punctuality | None:
    """Return how a schedule keeps its times; None where there are too few slots to have a time between them."""
    if len(served) < 2:
        return None
    times = sorted(one.slot_at for one in served)
    lasts = times[-1] - times[0]
    started = [one for one in served if not one.is_skipped]
    lags = [max((now_at if one.started_at is None else one.started_at) - one.due_at, 0) for one in started]
    declared = lasts // (len(times) - 1)
    return Punctuality(
        slots=len(served),
        skipped=len(served) - len(started),
        declared_ms=declared,
        effective_ms=declared * len(served) // len(started) if started else None,
        lag_ms=round(median(lags)) if lags else 0,
    )
