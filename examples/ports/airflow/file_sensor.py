"""Airflow's file sensor in "reschedule" mode: wait for a file, hold no worker, then use it.

Try it:

    mainspring run file-sensor -m examples/ports/airflow/file_sensor.py file=orders.csv every=60
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def is_there(file: str) -> bool:
    """Return whether the file has arrived."""
    return Path(file).exists()


def read_orders(file: str) -> int:
    """Read the file."""
    orders = len(Path(file).read_text(encoding="utf-8").splitlines())
    post(f"read {orders} orders")
    return orders


@ms.workflow(name="file-sensor")
async def file_sensor(run: ms.Run, file: str, every: float = 60.0, timeout: float = 86_400.0) -> int:
    """Poll for the file. If each new file shall start a run, declare `@ms.on.files(...)` instead: then no run waits."""
    async with asyncio.timeout(timeout):
        while True:
            if await run.step(is_there, file):
                return await run.step(read_orders, file)
            await asyncio.sleep(every)
