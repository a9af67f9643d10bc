"""Backups keep the contract of actions: twice, at once, killed and cancelled at each line and at each of both names."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mainspring.actions import backup
from mainspring.actions.backup.backup_record import make_backup
from mainspring.testing import ActionContract
from tests.unit.actions.backup.backup_steps import back_up_sqlite
from tests.unit.actions.files.test_contracts import temporary_below
from tests.unit.actions.kills import KILLS

pytestmark = pytest.mark.slow


def database_of(data: Path, number: int) -> Path:
    """Return a database that has its number in 50 rows."""
    path = data / f"{number}.db"
    if not path.exists():
        with closing(apsw.Connection(str(path))) as raw:
            raw.execute("create table numbers (n integer)")
            raw.executemany("insert into numbers values (?)", [(number,)] * 50)
    return path


def test_sqlite_backup_keeps_the_contract(tmp_path: Path) -> None:
    """The target is the file: it has the rows of its database and the checksum of its record, or is not there."""
    store, data = tmp_path / "store", tmp_path / "data"
    store.mkdir()
    data.mkdir()

    def effects(number: int) -> int:
        path = data / f"{number}.backup"
        if not path.exists():
            return 0
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as raw:
            rows = raw.execute("select count(*) from numbers where n = ?", (number,)).get
        return 1 if rows == 50 and not backup.sqlite(database_of(data, number), to=path).is_new else 2

    contract = ActionContract(
        back_up_sqlite,
        args=lambda number: [str(database_of(data, number)), str(data / f"{number}.backup")],
        effects=effects,
        lines_of=make_backup,
        temporary=lambda: temporary_below(data),
        failpoints=("files.written", "files.published"),
    )
    contract.check(store, kills=KILLS)
    assert contract.kills >= 5
