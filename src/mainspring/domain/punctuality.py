"""How often a schedule really starts something, against how often it says: a cadence that slips is seen by nobody who looks at single runs.

A run that outlasts its interval makes every other slot be skipped, or lets a line of runs grow: "every 20 s" has become every 60 s.
Slots that were missed because nobody scheduled, or that a pause took, are told elsewhere and count for nothing here.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

LEAST = 8
"""With fewer slots nothing is said."""
_SLIPS_BY = 1.5


class Served(msgspec.Struct, frozen=True):
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
        if self.slots < LEAST:
            return False
        return slips_by(self.skipped, self.slots - self.skipped) or self.lag_ms >= self.declared_ms


def slips_by(skipped: int, run: int) -> bool:
    """Whether so many slots were skipped beside those that were run that somebody should know."""
    return skipped + run >= LEAST and skipped + run >= run * _SLIPS_BY


def punctuality_of(served: Sequence[Served], now_at: int) -> Punctuality | None:
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
