"""The backup: proved, pruned, and never at the price of an older one."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

import mainspring as ms
from examples import nightly_backup
from tests.examples.lab import EXAMPLES, Lab


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as app, app:
        app.execute("create table people (name)")
        app.executemany("insert into people values (?)", [(str(n),) for n in range(5_000)])
    return path


def backups(lab: Lab) -> list[str]:
    return sorted(path.name for path in (lab.folder / "kept").iterdir())


def test_backup_is_proved_and_the_oldest_goes(lab: Lab, database: Path) -> None:
    """A copy with all rows is there, named after its time; of older ones the newest are kept."""
    (lab.folder / "kept").mkdir()
    for day in ("2001-01-01", "2001-01-02", "2001-01-03"):
        (lab.folder / "kept" / f"app-{day}T020000.db").touch()
    output = lab.run("nightly_backup.py", "nightly-backup", f"database={database}", "folder=kept", "keep=2")
    assert "5000 rows verified, 2 old backups deleted" in output
    old, new = backups(lab)
    assert old == "app-2001-01-03T020000.db"
    with contextlib.closing(sqlite3.connect(lab.folder / "kept" / new)) as copy:
        assert copy.execute("select count(*) from people").fetchone() == (5_000,)


def test_failed_backup_deletes_nothing(lab: Lab) -> None:
    """Without a database there is no empty copy of it, and older copies stay."""
    (lab.folder / "kept").mkdir()
    (lab.folder / "kept" / "app-2001-01-01T020000.db").touch()
    lab.run("nightly_backup.py", "nightly-backup", "database=app.db", "folder=kept", "keep=1", code=5)
    assert backups(lab) == ["app-2001-01-01T020000.db"]
    assert not (lab.folder / "app.db").exists()


@pytest.mark.parametrize("damage", ["cut", "overwritten", "rows lost"])
def test_damaged_copy_is_no_backup(database: Path, damage: str) -> None:
    """What cannot be read back whole fails for good, before anything is deleted."""
    data = database.read_bytes()
    if damage == "cut":
        database.write_bytes(data[: len(data) // 2])
    elif damage == "overwritten":
        database.write_bytes(data[:4096] + bytes(len(data) - 4096))
    rows = {"people": 5_001 if damage == "rows lost" else 5_000}
    with pytest.raises(ms.Permanent, match=r"damaged|cannot be read"):
        nightly_backup.verify(nightly_backup.BackupCopy(str(database), rows))


def test_backup_has_a_schedule(lab: Lab) -> None:
    """A worker that loads it knows that it is due each night at two, in its time zone."""
    lab.call("run", "nightly-backup", "-m", str(EXAMPLES / "nightly_backup.py"), "database=none.db", code=5)
    assert "Europe/Berlin" in lab.call("auto", "show", "nightly-backup")
