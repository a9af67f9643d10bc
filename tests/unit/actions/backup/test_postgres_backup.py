"""Backups of PostgreSQL databases on a real server: consistent, restored before they get their name, without passwords in arguments."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from mainspring.actions import backup
from mainspring.actions.backup import postgres_backup
from mainspring.domain.errors import ConfigError, NotSent, UnknownNameError
from tests.free_port import free_port
from tests.postgres_server import PostgresServer, binaries, version_to_test

PASSWORD = "canary-p@ss word"
TABLES = """
create table orders (id integer primary key, note text);
insert into orders select n, 'note ' || n from generate_series(1, 100) n;
create schema "Odd 'schema"; create table "Odd 'schema"."a b" (a integer generated always as identity, b text);
create view late as select * from orders where id > 90; create materialized view totals as select count(*) from orders;
create unlogged table cache (a integer); insert into cache values (1);
"""
_made = 0


@pytest.fixture
def programs() -> str:
    found = binaries(version_to_test())
    assert found is not None
    return str(found)


@pytest.fixture
def shop(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database with tables, of its own."""
    global _made
    _made += 1
    name = f"shop{os.getpid()}_{_made}"
    postgres.make_database(name)
    postgres.execute(TABLES, name)
    yield postgres.url(name)
    postgres.execute(f"drop database {name} with (force)")


def scratch_databases(postgres: PostgresServer) -> list[str]:
    with psycopg.connect(postgres.url("postgres")) as raw:
        found = raw.execute("select datname from pg_database where datname like 'mainspring_verify_%'").fetchall()
    return [row[0] for row in found]


def wrap(folder: Path, programs: str, **scripts: str) -> str:
    """Return a folder with the programs, some of them scripts in which REAL stands for the program."""
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        script = folder / name
        script.write_text(
            "#!/bin/sh\n" + scripts.get(name, 'exec REAL "$@"').replace("REAL", f"{programs}/{name}") + "\n"
        )
        script.chmod(stat.S_IRWXU)
    return str(folder)


def test_backup_can_be_restored_and_equals_the_database(postgres, shop, programs, tmp_path):
    """The statements that make the restored database are those of the original."""
    made = backup.postgres(shop, to=tmp_path / "to" / "a.dump", make_folders=True, programs=programs)
    assert made.tables == {
        "Odd 'schema.a b": 0, "public.cache": 1, "public.orders": 100,
    }  # fmt: skip
    name, copy = shop.rpartition("/")[2], shop.rpartition("/")[2] + "_copy"
    postgres.make_database(copy)
    restore = [f"{programs}/pg_restore", "--exit-on-error", "-d", postgres.url(copy), made.file.path]
    subprocess.run(restore, check=True)
    marks = ("\\restrict", "\\unrestrict")
    lines = [[line for line in postgres.dump(each).splitlines() if not line.startswith(marks)] for each in (name, copy)]
    assert lines[0] == lines[1]
    postgres.execute(f"drop database {copy}")
    assert scratch_databases(postgres) == []
    again = backup.postgres(shop, to=tmp_path / "to" / "a.dump", programs="/nowhere")
    assert (again.is_new, again.tables, again.file) == (False, made.tables, made.file)
    assert sorted(os.listdir(tmp_path / "to")) == ["a.dump", "a.dump.backup.json"]


def test_rows_of_a_stale_view_do_not_count(postgres, shop, programs, tmp_path):
    """The backup has no rows of it: a restore refreshes it."""
    name = shop.rpartition("/")[2]
    postgres.execute("create materialized view early as select * from orders; delete from orders where id > 5", name)
    assert backup.postgres(shop, to=tmp_path / "a.dump", programs=programs).tables["public.orders"] == 5


def test_rows_written_between_count_and_dump_are_in_neither(postgres, shop, programs, tmp_path, monkeypatch):
    """Both read one snapshot."""
    run = postgres_backup._Dump._run

    def write_first(call, words, database, name):
        if "pg_dump" in words[0]:
            postgres.execute("insert into orders values (1000, 'late')", shop.rpartition("/")[2])
        run(call, words, database, name)

    monkeypatch.setattr(postgres_backup._Dump, "_run", write_first)
    assert backup.postgres(shop, to=tmp_path / "a.dump", programs=programs).tables["public.orders"] == 100


def test_password_is_no_argument_of_a_program_and_in_no_record(postgres, shop, programs, tmp_path):
    """Other users of the machine can read the arguments of a process."""
    role = f"app{os.getpid()}"
    postgres.execute(f"create role {role} login createdb password '{PASSWORD}' in role pg_read_all_data")
    log = tmp_path / "arguments"
    script = f'echo "$@" >> {log}; exec REAL "$@"'
    wrapped = wrap(tmp_path / "bin", programs, pg_dump=script, pg_restore=script)
    url = shop.replace("mainspring@", f"{role}:{PASSWORD.replace('@', '%40').replace(' ', '%20')}@")
    backup.postgres(url, to=tmp_path / "a.dump", programs=wrapped)
    assert "canary" not in log.read_text() + (tmp_path / "a.dump.backup.json").read_text()
    assert "--dbname=" in log.read_text()


def test_user_without_rights_gets_the_statement_that_grants_them(postgres, shop, programs, tmp_path):
    """To create the scratch database, and to read the tables; reading the backup needs neither."""
    role = f"reader{os.getpid()}"
    postgres.execute(f"create role {role} login in role pg_read_all_data; create role {role}x login")
    url = shop.replace("mainspring@", f"{role}@")
    with pytest.raises(backup.BackupError, match="may not create a scratch database") as refused:
        backup.postgres(url, to=tmp_path / "a.dump", programs=programs)
    assert f"alter role {role} createdb" in str(refused.value.hint)
    assert backup.postgres(url, to=tmp_path / "b.dump", programs=programs, verify="read").tables["public.orders"] == 100
    assert backup.postgres(url, to=tmp_path / "c.dump", programs=programs, scratch=postgres.url("postgres")).is_new
    with pytest.raises(backup.BackupError, match="permission denied") as denied:
        backup.postgres(url.replace("@", "x@", 1), to=tmp_path / "d.dump", programs=programs)
    assert "grant pg_read_all_data" in str(denied.value.hint)
    assert not (tmp_path / "a.dump").exists()
    assert not (tmp_path / "d.dump").exists()


_VERSION = 'case "$1" in --version) exec REAL "$@";; esac; '
_CUT = 'REAL "$@" || exit; for word; do case $word in --file=*) truncate -s -300 "${word#--file=}";; esac; done'


@pytest.mark.parametrize(
    ("scripts", "problem"),
    [
        ({"pg_dump": _CUT}, "pg_restore failed"),
        ({"pg_restore": _VERSION + 'REAL --schema-only "$@"'}, r"other rows .*public\.orders"),
        ({"pg_dump": _VERSION + "exit 0"}, "was replaced"),
        ({"pg_dump": 'echo "pg_dump (PostgreSQL) 9.6.1"'}, r"older than the server, which is PostgreSQL \d+: 9 in"),
    ],
    ids=["cut", "without_rows", "nothing", "old"],
)
def test_bad_dump_never_gets_its_name(postgres, shop, programs, tmp_path, scripts, problem):
    """A cut archive, one without its rows, none at all, and a program that is too old."""
    folder = tmp_path / "to"
    folder.mkdir()
    with pytest.raises(backup.BackupError, match=problem) as refused:
        backup.postgres(shop, to=folder / "a.dump", programs=wrap(tmp_path / "bin", programs, **scripts))
    assert "in the database 127.0.0.1" in refused.value.message
    assert os.listdir(folder) == []
    assert scratch_databases(postgres) == []


def test_scratch_database_of_a_killed_call_is_replaced(postgres, shop, programs, tmp_path, monkeypatch):
    """Its name follows from the backup."""
    names: list[str] = []
    create: Callable[..., object] = postgres_backup._scratch_database

    def leave_one(raw, name, encoding):
        names.append(name)
        postgres.make_database(name)
        postgres.execute("create table left_behind (a integer)", name)
        return create(raw, name, encoding)

    monkeypatch.setattr(postgres_backup, "_scratch_database", leave_one)
    backup.postgres(shop, to=tmp_path / "a.dump", programs=programs)
    assert len(names) == 1
    assert scratch_databases(postgres) == []


def test_database_that_cannot_be_used_is_named(tmp_path, programs, shop):
    """Unreachable is transient; the other mistakes are not."""
    with pytest.raises(NotSent, match="cannot be reached"):
        backup.postgres(f"postgresql://u@127.0.0.1:{free_port()}/shop", to=tmp_path / "a.dump", programs=programs)
    with pytest.raises(ConfigError, match="is not on PostgreSQL"):
        backup.postgres("sqlite:///shop.db", to=tmp_path / "a.dump")
    with pytest.raises(UnknownNameError):
        backup.postgres(shop, to=tmp_path / "a.dump", verify="maybe")
    with pytest.raises(backup.BackupError, match="does not exist"):
        backup.postgres(shop + "x", to=tmp_path / "a.dump", programs=programs)
    with pytest.raises(backup.BackupUnavailableError, match=r"took too long|statement timeout"):
        backup.postgres(shop, to=tmp_path / "a.dump", programs=programs, timeout="1ms")
    assert os.listdir(tmp_path) == []
