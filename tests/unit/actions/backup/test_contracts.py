"""Backups keep the contract of actions: twice, at once, killed and cancelled at each line and at each of both names."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mainspring.actions import backup
from mainspring.actions.backup.backup_record import make_backup
from mainspring.actions.backup.postgres_backup import _Dump
from mainspring.testing import ActionContract
from tests.postgres_server import PostgresServer, binaries, version_to_test
from tests.unit.actions.backup.backup_steps import back_up_postgres, back_up_sqlite, prune_backups
from tests.unit.actions.backup.test_postgres_backup import scratch_databases
from tests.unit.actions.backup.test_retention import add
from tests.unit.actions.backup.test_sqlite_backup import make_database
from tests.unit.actions.files.test_contracts import temporary_below
from tests.unit.actions.kills import check_contract

PASSWORD = "canary-51c8-of-the-shop"
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
    check_contract(contract, store)


def test_prune_keeps_the_contract(tmp_path: Path) -> None:
    """One effect = only the newest backup is left; the loss of that one is two."""
    store, data, template = tmp_path / "store", tmp_path / "data", tmp_path / "template"
    store.mkdir()
    data.mkdir()
    shop = make_database(tmp_path / "shop.db", 1)
    for days in range(3):
        add(template, f"shop-{days}.db", days, shop)

    def args(number: int) -> list[str]:
        if not (data / str(number)).exists():
            shutil.copytree(template, data / str(number))
        return [str(data / str(number))]

    def effects(number: int) -> int:
        names = {path.name for path in (data / str(number)).glob("*.db")}
        return int(names == {"shop-0.db"}) if "shop-0.db" in names else 2

    contract = ActionContract(
        prune_backups,
        args=args,
        effects=effects,
        lines_of=backup.prune,
        temporary=lambda: temporary_below(data),
    )
    check_contract(contract, store)


def test_postgres_backup_keeps_the_contract(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in front of, during and after `pg_dump` and `pg_restore`, too; the next call drops a scratch database."""
    store, data = tmp_path / "store", tmp_path / "data"
    store.mkdir()
    data.mkdir()
    name = f"numbers{os.getpid()}"
    postgres.make_database(name)
    postgres.execute("create table numbers as select generate_series(1, 50) n", name)
    programs = str(binaries(version_to_test()))
    url = postgres.url(name).replace("mainspring@", "mainspring:{secret:SHOP}@")
    monkeypatch.setenv("MAINSPRING_SECRET_SHOP", PASSWORD)

    def effects(number: int) -> int:
        path = data / f"{number}.dump"
        if not path.exists():
            return 0
        made = backup.postgres(url, to=path, programs=programs)
        return 1 if made.tables == {"public.numbers": 50} and not made.is_new else 2

    contract = ActionContract(
        back_up_postgres,
        args=lambda number: [url, str(data / f"{number}.dump"), programs],
        effects=effects,
        lines_of=_Dump.verify,
        temporary=lambda: temporary_below(data),
        failpoints=("files.written", "files.published"),
        secrets=[PASSWORD],
    )
    check_contract(contract, store)
    for number in range(1, 60):
        if not effects(number) and scratch_databases(postgres):  # a process that was killed or ended has left it behind
            backup.postgres(url, to=data / f"{number}.dump", programs=programs)
    assert scratch_databases(postgres) == []
    postgres.execute(f"drop database {name} with (force)")
