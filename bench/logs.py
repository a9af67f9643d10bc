"""What lines of log cost: steps a second as in `steps`, with the capture on and nothing written, and with ten lines a step."""

from bench.figure import Figure, median, spread
from bench.process import measure

REPEATS, RUNS, STEPS = 3, 1_000, 10


def figures() -> list[Figure]:
    """Each in turn, so that a busy moment of the machine meets all three."""
    rates: dict[str, list[float]] = {"steps_unlogged": [], "steps": [], "steps_logging": []}
    for _ in range(REPEATS):
        for what, found in rates.items():
            found.append(measure("ours", what, RUNS, STEPS)["per_s"])
    off = median(rates["steps_unlogged"])
    return [
        Figure(
            name=name,
            unit="steps/s",
            ours=median(rates[what]),
            peer=off,
            peer_name="ours, logs off",
            more=True,
            note=spread(rates[what]),
        )
        for name, what in (("capture on, no lines", "steps"), ("ten lines a step", "steps_logging"))
    ]
