"""A long import that continues at its last checkpoint: kill it with `kill -9` and start it again.

    python examples/long_import.py rows.csv rows.db       (its store is rows.db.store, beside the target)

Teaches: checkpoints inside one long step, so that the next attempt does not start at the first row; rows are written before their
checkpoint, so a crash repeats some rows and skips none, and the primary key makes the repeat harmless; a run key, by which the second start
finds the first run; `ms.App`, a worker inside your own program.
"""

import contextlib
import csv
import itertools
import sqlite3
import sys
from pathlib import Path

import mainspring as ms

BATCH = 500


def load(source: str, target: str) -> int:
    """Store each row of a CSV file (id, value) in a table; return the number of rows."""
    done = ms.last_checkpoint(int) or 0
    print(f"attempt {ms.attempt()} starts after row {done}", flush=True)
    with (
        contextlib.closing(sqlite3.connect(target)) as database,
        Path(source).open(encoding="utf-8", newline="") as file,
    ):
        database.execute("create table if not exists rows (id integer primary key, value text, times int default 1)")
        rows = itertools.islice(csv.reader(file), 1 + done, None)  # after the header and the finished rows
        while batch := list(itertools.islice(rows, BATCH)):
            with database:
                database.executemany(
                    "insert into rows (id, value) values (?, ?) "
                    "on conflict (id) do update set value = excluded.value, times = times + 1",
                    batch,
                )
            done += len(batch)
            ms.checkpoint(done)  # returns when it is committed
            ms.progress(done)
    return done


@ms.workflow(name="long-import", title="import {source}", owner="you")
async def long_import(run: ms.Run, source: str, target: str) -> int:
    """Load the file."""
    return await run.step(load, source, target)


async def main(source: str, target: str) -> int:
    """Start the import, or find the run of an earlier start, and work until it ends."""
    app = ms.App(store=f"{target}.store")
    async with app.running():
        handle = await app.options(key=f"import:{source}").start(long_import, source, target)
        if not handle.created:
            print(f"continuing run {handle.id}", flush=True)
        rows: int = await handle.result()
    return rows


if __name__ == "__main__":
    import asyncio

    if len(sys.argv) != 3:
        sys.exit("usage: python examples/long_import.py ROWS.csv TARGET.db")
    print(f"{asyncio.run(main(str(Path(sys.argv[1]).resolve()), str(Path(sys.argv[2]).resolve())))} rows are imported")
