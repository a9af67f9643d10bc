"""One figure: what was measured, ours beside a peer's, and how they compare."""

import statistics
from collections.abc import Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """`ours` and `peer` are medians in `unit`; `ratio` is how many times better ours is (below 1: worse).

    `more` tells whether a larger value is the better one.
    """

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    more: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None where there is nothing to compare with."""
        if not self.peer or not self.ours:
            return None
        return self.ours / self.peer if self.more else self.peer / self.ours


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "") -> str:
    """Return the lowest and highest value, for a note."""
    return f"{len(values)} runs: {shown(min(values))} to {shown(max(values))}{f' {unit}' if unit else ''}"


def shown(value: float | None) -> str:
    """Return a value with three digits that matter."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
