"""A map over 100,000 items in one run."""

from bench.figure import Figure
from bench.process import measure

ITEMS, PEER_ITEMS = 100_000, 1_000


def figures() -> list[Figure]:
    """DBOS has no map: the peer is `gather` over its steps, 64 at a time, on fewer items."""
    ours = measure("ours", "many", ITEMS)
    peer = measure("dbos_side", "many", PEER_ITEMS)
    return [
        Figure(
            name=f"map over {ITEMS:,} items",
            unit="us/item",
            ours=ours["took_s"] / ITEMS * 1e6,
            peer=peer["took_s"] / PEER_ITEMS * 1e6,
            peer_name="DBOS, gather",
            note=f"{ours['took_s']:.1f} s; DBOS: {PEER_ITEMS:,} items in {peer['took_s']:.1f} s",
        )
    ]
