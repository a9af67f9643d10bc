"""One of two machines loses its power: how long until another one holds its runs, with the lease that is the default (10 s)."""

import tempfile
import time
from pathlib import Path

from bench.figure import Figure, median
from bench.process import Failed, measure
from bench.sides.server import new_database, server
from tests.acceptance.fleet import Fleet, may_be_made

RUNS, REPEATS = 1_000, 3
_AUTOMATIONS = Path(__file__).parent / "sides" / "automations.py"
_CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
concurrency = {RUNS}
"""


def figures() -> list[Figure]:
    """No ratio: what stands in PEERS takes 30 s and more, and was not measured here."""
    if not may_be_made():
        raise Failed("no machine can be made here: unshare(1) may not make namespaces")
    with server() as found:
        taken, ended = zip(*(_lose(new_database(found, f"takeover{n}")) for n in range(REPEATS)), strict=True)
    return [
        Figure(
            name=f"PostgreSQL: {RUNS:,} runs of a lost machine taken over",
            unit="s",
            ours=median(taken),
            note=f"lease 10 s, {len(taken)} times: {min(taken):.1f} to {max(taken):.1f}; all ended after {median(ended):.1f}",
        )
    ]


def _lose(url: str) -> tuple[float, float]:
    """Return the seconds from the loss until another machine owned all runs, and until all had ended."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        measure("ours_postgres", "stage_gated", RUNS, url=f"{url}?schema=mainspring")
        fleet = Fleet(
            Path(folder), f"{url}?schema=mainspring", code=_AUTOMATIONS.read_text(encoding="utf-8"), config=_CONFIG
        )
        fleet.env["BENCH_GATE"] = str(fleet.blocker_file)
        try:
            lost = fleet.up("a")
            fleet.until(lambda: fleet.rows("select count(*) from journal") == [(RUNS,)])
            ((session,),) = fleet.rows("select distinct session from runs")
            fleet.up("b")
            fleet.until(
                lambda: fleet.rows("select count(*) from sessions where role = 'worker' and state = 'alive'") == [(2,)]
            )
            fleet.blocker_file.touch()  # the first machine is past its gate: its steps sleep for ever
            lost.lose()
            lost_at = time.monotonic()
            elsewhere = "select count(*) from runs where session is distinct from %s and claim = 2"
            fleet.until(lambda: fleet.rows(elsewhere, session) == [(RUNS,)])
            taken = time.monotonic() - lost_at
            fleet.until(lambda: fleet.have_succeeded(RUNS))
            return taken, time.monotonic() - lost_at
        finally:
            fleet.close()
