"""A round of all monitors over ten thousand automations with their history."""

from bench.figure import Figure
from bench.process import measure

AUTOMATIONS, DAYS = 10_000, 8


def figures() -> list[Figure]:
    """Facts read and judged; each round also reads the history of some hundred automations until it knows all."""
    took = measure("monitoring", "round", AUTOMATIONS, DAYS, timeout=1_800)
    return [
        Figure(
            name=f"a round of all monitors, {AUTOMATIONS:,} automations",
            unit="ms",
            ours=took["ms"],
            note=f"the first after a start {took['first_ms']:,.0f} ms, the longest of the others {took['worst_ms']:,.0f} ms",
        )
    ]
