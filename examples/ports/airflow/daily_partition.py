"""Airflow's data intervals: each run has the day of its schedule, and a backfill starts runs for past days.

Try it:

    mainspring auto backfill daily-partition --from 2026-11-01 --to 2026-11-04 -y
"""

from datetime import timedelta
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def load_day(day: str) -> None:
    """Replace the partition of one day: safe to repeat."""
    post(f"load {day}")


@ms.workflow(name="daily-partition", cron="0 0 * * *", misfire="none", title="load {slot:%F}")
async def daily_partition(run: ms.Run) -> str:
    """Load the day that ended at the slot. Airflow calls that instant data_interval_end."""
    end = run.slot or run.now()
    day = (end - timedelta(days=1)).date().isoformat()
    await run.step(load_day, day)
    return day
