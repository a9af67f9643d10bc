"""`python -m bench.sides.apscheduler_side punctuality SCHEDULES EVERY_S SECONDS`: how late APScheduler calls its jobs; prints JSON."""

import datetime as dt
import json
import os
import statistics
import sys
import time
from typing import Any

from apscheduler.events import EVENT_JOB_MISSED
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

LATE: list[float] = []
PERIOD = [1]


def fire(offset: int) -> None:
    """Note how long after its due time it was called (ms)."""
    now = time.time()
    period = PERIOD[0]
    LATE.append(((now - offset) % period) * 1000)


def punctuality(schedules: int, every_s: int, seconds: int) -> dict[str, Any]:
    """Jobs in SQLite, each every so many seconds, spread over them."""
    PERIOD[0] = every_s
    store = SQLAlchemyJobStore(url=f"sqlite:///{os.environ['BENCH_FOLDER']}/jobs.db")
    scheduler = BackgroundScheduler(
        jobstores={"default": store}, timezone=dt.UTC, job_defaults={"misfire_grace_time": None, "coalesce": True}
    )
    missed: list[Any] = []
    scheduler.add_listener(missed.append, EVENT_JOB_MISSED)
    scheduler.start(paused=True)
    now = time.time()
    for number in range(schedules):
        offset = number % every_s
        first = now - now % every_s + offset + (every_s if now % every_s >= offset else 0)
        start = dt.datetime.fromtimestamp(first, dt.UTC)
        scheduler.add_job(fire, "interval", seconds=every_s, start_date=start, args=[offset], id=str(number))
    scheduler.resume()
    time.sleep(5)
    LATE.clear()
    time.sleep(seconds)
    scheduler.shutdown(wait=False)
    cut = statistics.quantiles(LATE, n=100)
    return {"count": len(LATE), "missed": len(missed), "p50": cut[49], "p99": cut[98]}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*map(int, sys.argv[2:]))))
