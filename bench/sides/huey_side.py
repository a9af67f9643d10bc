"""`python -m bench.sides.huey_side notice COUNT`: tasks enqueued here, begun by a consumer in another process; prints JSON.

Its SQLite storage as it comes, but for the longest pause between two looks of the consumer, which is set to its shortest documented one.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from huey import SqliteHuey

HUEY = SqliteHuey(filename=str(Path(os.environ["BENCH_FOLDER"]) / "huey.db"), fsync=True)


@HUEY.task()
def stamp() -> int:
    """Return when it ran."""
    return time.time_ns()


def notice(count: int) -> dict[str, Any]:
    """Enqueue at the pace of the events, whatever has begun meanwhile, and tell how long after the commit each task began."""
    consumer = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "huey.bin.huey_consumer",
            "bench.sides.huey_side.HUEY",
            "-w",
            "4",
            "-d",
            "0.1",
            "-m",
            "0.1",
            "-q",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    enqueued = []
    try:
        stamp()(blocking=True, timeout=30)
        for n in range(count):
            time.sleep(0.1 + n % 7 * 0.013)
            enqueued.append((stamp(), time.time_ns()))
        took = [(found(blocking=True, timeout=30) - committed_at) / 1e6 for found, committed_at in enqueued]
    finally:
        consumer.terminate()
        consumer.wait()
    cut = statistics.quantiles(took, n=100)
    return {"p50": cut[49], "p99": cut[98]}


if __name__ == "__main__":
    # The consumer knows a task by the name of its module, which __main__ is not.
    own = importlib.import_module("bench.sides.huey_side")
    print(json.dumps(getattr(own, sys.argv[1])(*map(int, sys.argv[2:]))))
