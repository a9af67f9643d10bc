"""Airflow's `depends_on_past` with `max_active_runs=1`: the days of a ledger are closed in order, and a failed day holds the next ones.

Try it:

    mainspring up -m examples/ports/airflow/depends_on_past.py
    mainspring auto backfill close-day --from 2026-11-01 --to 2026-11-04 -y           (in a second terminal)
    mainspring runs questions
"""

from datetime import timedelta
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def close(day: str) -> str:
    """Close a day in the ledger, if its bank statement is there."""
    if not Path(f"statement-{day}").exists():
        raise ms.Permanent(f"no bank statement for {day}")
    post(f"close {day}")
    return day


@ms.workflow(
    name="close-day",
    cron="0 0 * * *",
    misfire="all",
    overlap="queue",
    partition="ledger",
    title="close until {slot:%F}",
)
async def close_day(run: ms.Run) -> str:
    """Runs of one partition go one after another, and one that waits for a person keeps its place: the next day waits, too."""
    day = ((run.slot or run.now()) - timedelta(days=1)).date().isoformat()
    while True:
        try:
            return await run.step(close, day)
        except ms.StepFailed as failed:  # Airflow: clear the task, or mark it as a success
            decision = await run.ask(f"{failed.reason}. Continue?", choices=["try again", "skip the day"], within=None)
            if decision == "skip the day":
                return f"{day} is open"
