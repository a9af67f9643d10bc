"""Airflow's dynamic task mapping: `expand` over a list that is known only at run time, then a reduce.

Try it:

    mainspring run dynamic-mapping -m examples/ports/airflow/dynamic_mapping.py count=5
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def list_files(count: int) -> list[str]:
    """Return the files of today."""
    return [f"part-{number}.csv" for number in range(count)]


def count_lines(file: str) -> int:
    """Return the number of lines of a file."""
    post(f"count {file}")
    return len(file)


@ms.workflow(name="dynamic-mapping")
async def dynamic_mapping(run: ms.Run, count: int) -> int:
    """Map, then reduce. `concurrency` is Airflow's max_active_tis_per_dagrun."""
    files = await run.step(list_files, count)
    return sum(await run.map(count_lines, files, concurrency=2))
