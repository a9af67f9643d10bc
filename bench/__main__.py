"""`python -m bench [NAME ...]`: measures, prints one table, writes bench/out.json. Nothing is asserted: see docs/performance.md."""

import importlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.figure import Figure, median, shown
from bench.process import Failed
from bench.sides.bare import Bare, fsync_us

NAMES = (
    *("steps", "sequential", "runs", "replay", "fan_out", "resume", "waiting", "notice", "start_up", "install"),
    *("wakes", "results", "intake", "event_start", "punctuality", "monitors", "logs", "metrics", "pages"),
    *("ledger", "locks", "secrets", "targets", "flags", "keys"),
    *(
        "postgres_steps",
        "postgres_runs",
        "postgres_latency",
        "postgres_takeover",
        "postgres_processes",
        "postgres_history",
    ),
)
OUT = Path(__file__).parent / "out.json"


def main(names: list[str]) -> int:
    """Measure what was named, or everything; return the exit code: 1 if a figure could not be taken."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no such figure: {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    machine = _machine()
    print(machine["text"], flush=True)
    figures: list[Figure] = []
    failures: list[str] = []
    for name in names or NAMES:
        began = time.perf_counter()
        try:
            found = importlib.import_module(f"bench.{name}").figures()
        except Exception as error:  # noqa: BLE001  a row that has a bug of its own costs no other row its figures
            failures.append(f"{name}: {error if isinstance(error, Failed) else repr(error)}")
            print(f"  {name}: failed", file=sys.stderr, flush=True)
            continue
        figures += found
        print(f"  {name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(_table(figures))
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    data = {
        "machine": machine,
        "figures": [{**msgspec.to_builtins(f), "ratio": f.ratio} for f in figures],
        "failures": failures,
    }
    OUT.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=2))
    return 1 if failures else 0


def _machine() -> dict[str, object]:
    """Say where this runs and what a commit costs here, for every figure hangs on it."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        fsync = median(fsync_us(Path(folder)))
        bare = median(Bare(Path(folder) / "bare.db").commit(500))
    cpus = os.cpu_count()
    text = (
        f"Python {platform.python_version()}, {cpus} CPUs, load {os.getloadavg()[0]:.1f}; "
        f"4 KiB + fsync {fsync:.0f} us, a bare durable SQLite commit {bare:.0f} us (medians)"
    )
    return {"python": platform.python_version(), "cpus": cpus, "fsync_us": fsync, "bare_commit_us": bare, "text": text}


def _table(figures: list[Figure]) -> str:
    """Return the figures as aligned lines; the ratio tells how many times better ours is."""
    head = ("figure", "ours", "peer", "unit", "ratio", "peer is", "note")
    rows = [head]
    for f in figures:
        ratio = "-" if f.ratio is None else f"{shown(f.ratio)} x"
        rows.append((f.name, shown(f.ours), shown(f.peer), f.unit, ratio, f.peer_name, f.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 2, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
