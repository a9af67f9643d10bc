"""A run started by another process: from its commit to the beginning of its step."""

from bench.figure import Figure
from bench.process import measure

STARTS, PEER_STARTS = 40, 8


def figures() -> list[Figure]:
    """DBOS takes from a queue what other processes enqueue, and looks once a second by default."""
    ours = measure("ours", "notice", STARTS)
    peer = measure("dbos_side", "notice", PEER_STARTS)
    return [
        Figure(
            name="another process's new run is noticed",
            unit="ms",
            ours=ours["ms"],
            peer=peer["ms"],
            peer_name="DBOS, queue",
            note=f"median of {STARTS}, worst {ours['worst_ms']:.0f}",
        )
    ]
