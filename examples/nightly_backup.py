"""A nightly backup of a database that is proved before anything older is deleted.

    mainspring run nightly-backup -m examples/nightly_backup.py database=app.db folder=backups

Teaches: a schedule with a time zone; naming output after the slot, so that a repeat writes the same file; a step for each thing that can
fail by itself; an order in which no failure leaves you with less than you had: copy, prove, and only then prune.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import mainspring as ms


@dataclass(frozen=True)
class Copied:
    """A copy and how many rows each table had when it was made."""

    path: str
    rows: dict[str, int]


def copy(database: str, folder: str, name: str) -> Copied:
    """Copy the live database, writers and all. Another name first: a file without `.part` is always whole."""
    source = Path(database)
    if not source.is_file():
        raise ms.Permanent(f"there is no database {source}", hint="sqlite3 would make an empty one and back that up.")
    target = Path(folder) / f"{source.stem}-{name}.db"
    part = target.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)  # what a killed attempt left
    with contextlib.closing(sqlite3.connect(source)) as live, contextlib.closing(sqlite3.connect(part)) as draft:
        live.backup(draft, pages=1_000, progress=lambda _status, left, total: ms.progress(total - left, total))
        rows = count(draft)
    part.replace(target)
    return Copied(str(target), rows)


def prove(copied: Copied) -> int:
    """Read the whole copy back; a backup that nobody has read is a hope. Return its rows."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{copied.path}?mode=ro", uri=True)) as backup:
            (verdict,) = backup.execute("pragma integrity_check").fetchone()
            rows = count(backup)
    except sqlite3.DatabaseError as error:
        raise ms.Permanent(f"the backup {copied.path} cannot be read: {error}", hint="Check the disk.") from error
    if verdict != "ok" or rows != copied.rows:
        raise ms.Permanent(f"the backup {copied.path} is damaged: {verdict}", hint="Check the disk.")
    return sum(rows.values())


def prune(folder: str, stem: str, keep: int) -> list[str]:
    """Delete all but the newest `keep`; their names hold their dates. Return the names of those that went."""
    old = sorted(Path(folder).glob(f"{stem}-*.db"))[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]


def count(database: sqlite3.Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    names = [name for (name,) in database.execute("select name from sqlite_schema where type = 'table'").fetchall()]
    return {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names}


@ms.workflow(name="nightly-backup", cron="0 2 * * *", tz="Europe/Berlin", deadline="2h", owner="you", silence="26h")
async def nightly_backup(run: ms.Run, database: str = "app.db", folder: str = "backups", keep: int = 7) -> str:
    """Copy, prove, prune."""
    slot = run.slot or run.now()
    copied = await run.step(copy, database, folder, f"{slot:%Y-%m-%dT%H%M%S}")
    rows = await run.step(prove, copied)
    gone = await run.step(prune, folder, Path(database).stem, max(keep, 1))
    return f"{Path(copied.path).name}: {rows} rows proved, {len(gone)} old ones deleted"
