"""The ledger pair: the intent and the outcome of an effect in each step, next to the same steps without it, on SQLite.

An action that is the whole step costs one commit more (its intent), `ms.once` inside of a step costs two.
"""

from bench.figure import Figure, median, spread
from bench.process import measure

REPEATS = 3
FORMS = (("an action as the step", "action"), ("ms.once in a step", "once"))


def figures() -> list[Figure]:
    """64 runs in flight, whose pairs share commits, and one run alone, whose pairs do not."""
    found = []
    for in_flight, runs, count in ((64, 400, 10), (1, 1, 1_000)):
        sides: dict[str, list[dict[str, float]]] = {name: [] for name in ("plain", *(form for _, form in FORMS))}
        for _ in range(REPEATS):
            for name, measured in sides.items():
                measured.append(measure("ledger", name, runs, count))
        cpu_us = {name: median([m["cpu_us"] for m in measured]) for name, measured in sides.items()}
        for title, name in FORMS:
            rates = [m["per_s"] for m in sides[name]]
            found.append(
                Figure(
                    name=f"ledger pair: {title}, {in_flight} in flight",
                    unit="steps/s",
                    ours=median(rates),
                    peer=median([m["per_s"] for m in sides["plain"]]),
                    peer_name="the same steps without the ledger",
                    more=True,
                    note=f"{spread(rates)}; {cpu_us[name]:.0f} us of CPU a step, without {cpu_us['plain']:.0f}",
                )
            )
    return found
