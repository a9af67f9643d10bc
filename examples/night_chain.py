"""A night of three automations: each uses the result of the one before, and the report waits until both are done for the same night.

    mainspring auto graph -m examples/night_chain.py
    mainspring up -m examples/night_chain.py        # starts at 02:00; or now: mainspring auto backfill extract --from 1d -y

Teaches: start when another automation succeeded, with its result; the slot of the schedule connects the runs of one night; a failure in the
middle names the automations that wait for it, and its retry continues the chain.
"""

import contextlib
import json
import sqlite3
from pathlib import Path

import mainspring as ms

FOLDER = Path("night")
WAREHOUSE = FOLDER / "warehouse.db"


def fetch(day: str) -> str:
    """Save the orders of a day, all or nothing, and return the path."""
    target = FOLDER / f"orders-{day}.json"
    part = target.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps([{"id": n, "cents": 100 * n} for n in range(1, 11)]))
    part.replace(target)
    return str(target)


def fill(path: str, day: str) -> int:
    """Store the orders in the warehouse; a repeat changes nothing. Return the number of orders."""
    if not WAREHOUSE.exists():
        raise ms.Permanent(
            f"the warehouse {WAREHOUSE} does not exist", hint="Create it, then: mainspring runs retry @failed"
        )
    orders = json.loads(Path(path).read_text())
    with contextlib.closing(sqlite3.connect(WAREHOUSE)) as warehouse, warehouse:
        warehouse.execute("create table if not exists orders (day, id, cents, primary key (day, id))")
        rows = [(day, order["id"], order["cents"]) for order in orders]
        warehouse.executemany("insert into orders values (?, ?, ?) on conflict do nothing", rows)
    return len(orders)


def write(day: str, text: str) -> str:
    """Write the report of a day."""
    (FOLDER / f"report-{day}.txt").write_text(text)
    return text


@ms.workflow(name="extract", cron="0 2 * * *", tz="Europe/Berlin", deadline="1h", owner="you")
async def extract(run: ms.Run) -> str:
    """Fetch the orders of a night."""
    return await run.step(fetch, night_of(run))


@ms.on.run("extract")
@ms.workflow(name="load", deadline="1h", owner="you")
async def load(run: ms.Run, end: ms.Event) -> int:
    """Load the result of `extract`, in a run of the same slot."""
    return await run.step(fill, end.data["result"], night_of(run))


@ms.on.runs(["extract", "load"], per="slot", within="2h")
@ms.workflow(name="report", deadline="1h", owner="you")
async def report(run: ms.Run, night: ms.Event) -> str:
    """Write one report for each night, when both are done."""
    return await run.step(write, night_of(run), f"{night_of(run)}: done by {', '.join(sorted(night.data['runs']))}")


def night_of(run: ms.Run) -> str:
    """Return the night that a run belongs to; for a manual run, today."""
    return f"{run.slot or run.now():%F}"
