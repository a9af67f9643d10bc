"""A nightly backup of a database, which is verified before an older backup is deleted.

    mainspring run nightly-backup -m examples/nightly_backup.py database=app.db folder=backups

Teaches: a schedule with a time zone; output named by the slot, so that a repeat writes the same file; one step for each part that can fail;
a safe order: copy, verify, and only then delete old backups.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import mainspring as ms


@dataclass(frozen=True)
class BackupCopy:
    """A copy, and the number of rows of each table at that time."""

    path: str
    rows: dict[str, int]


def copy(database: str, folder: str, name: str) -> BackupCopy:
    """Copy the database while programs use it. The copy gets its name at the end: a file without `.part` is complete."""
    source = Path(database)
    if not source.is_file():
        raise ms.Permanent(f"there is no database {source}", hint="sqlite3 would make an empty one and back that up.")
    target = Path(folder) / f"{source.stem}-{name}.db"
    part = target.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)  # left by a killed attempt
    with contextlib.closing(sqlite3.connect(source)) as live, contextlib.closing(sqlite3.connect(part)) as draft:
        live.backup(draft, pages=1_000, progress=lambda _status, left, total: ms.progress(total - left, total))
        rows = count(draft)
    part.replace(target)
    return BackupCopy(str(target), rows)


def verify(copied: BackupCopy) -> int:
    """Read the whole copy and compare it; return its number of rows."""
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
    """Delete all but the newest `keep`; their names contain their dates. Return the deleted names."""
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
    """Copy, verify, and delete old backups."""
    slot = run.slot or run.now()
    copied = await run.step(copy, database, folder, f"{slot:%Y-%m-%dT%H%M%S}")
    rows = await run.step(verify, copied)
    deleted = await run.step(prune, folder, Path(database).stem, max(keep, 1))
    return f"{Path(copied.path).name}: {rows} rows verified, {len(deleted)} old backups deleted"
