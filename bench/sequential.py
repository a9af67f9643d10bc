"""One step after the other in one run, beside a bare commit on the same disk and beside DBOS."""

from bench.figure import Figure, median
from bench.process import pairs

REPEATS = 3


def figures() -> list[Figure]:
    """Both percentiles against both."""
    ours, peers = pairs("sequential", REPEATS, 2_000, peer_numbers=(200,))

    def of(found: list[dict[str, float]], key: str) -> float:
        return median([m[key] for m in found]) / 1000

    over = of(ours, "p50") - of(ours, "bare_p50")
    return [
        Figure(
            name="one sequential step, p50",
            unit="ms",
            ours=of(ours, "p50"),
            peer=of(ours, "bare_p50"),
            peer_name="bare commit",
            note=f"bare commit + {over:.2f} ms",
        ),
        Figure(
            name="one sequential step, p99",
            unit="ms",
            ours=of(ours, "p99"),
            peer=of(ours, "bare_p99"),
            peer_name="bare commit",
        ),
        Figure(
            name="one sequential step, p50", unit="ms", ours=of(ours, "p50"), peer=of(peers, "p50"), peer_name="DBOS"
        ),
    ]
