"""The tables of the two databases are the same tables."""

import hashlib
import re
from pathlib import Path

import mainspring.store.postgres.migrate
import mainspring.store.sqlite.migrate
from mainspring.store.schema_version import Migration

_TABLE = re.compile(r"create table (\w+) \((.*?)\n\)", re.DOTALL)
_EXPLAINED = re.compile(r"^-- .*\ncreate table (\w+) ", re.MULTILINE)
_ADDED = re.compile(r"alter table (\w+) add column (\w+)\s+(text|bigint|integer|blob|bytea)\b([^;\n]*)")
_RENAMED = re.compile(r"alter table (\w+) rename column (\w+) to (\w+)")
_COLUMN = re.compile(r"^    (\w+)\s+(text|bigint|integer|blob|bytea)\b([^,\n]*)", re.MULTILINE)
_TYPES = {"bigint": "integer", "bytea": "blob"}
_DIFFERENT = {
    # Counted by session on PostgreSQL, where one row for all would make writers wait for each other.
    "queues.backlog",
    "queue_backlogs.queue",
    "queue_backlogs.session",
    "queue_backlogs.n",
    # Finds the server process that holds a dead session's transaction open.
    "sessions.instance",
    # A store that is a file has its blobs in a folder.
    "blob_contents.day",
    "blob_contents.address",
    "blob_contents.data",
    # On a file the kernel tells of a session's end.
    "sessions.lease_ms",
}


def columns(migrations: list[Migration]) -> dict[str, tuple[str, bool]]:
    """Return each column with its type and whether it may be null."""
    found = {}
    for _, _, text in migrations:
        made = [(table, *column) for table, body in _TABLE.findall(text) for column in _COLUMN.findall(body)]
        for table, name, kind, rest in [*made, *_ADDED.findall(text)]:
            needed = "not null" in rest or "primary key" in rest
            found[f"{table}.{name}"] = (_TYPES.get(kind, kind), needed)
        for table, before, name in _RENAMED.findall(text):
            found[f"{table}.{name}"] = found.pop(f"{table}.{before}")
    return found


def test_both_databases_have_the_same_columns() -> None:
    """A column that one database has and the other has not would be forgotten by every statement they share."""
    sqlite = columns(mainspring.store.sqlite.migrate.migrations())
    postgres = columns(mainspring.store.postgres.migrate.migrations())
    assert len(sqlite) > 150
    assert sqlite.keys() ^ postgres.keys() == _DIFFERENT
    both = sqlite.keys() & postgres.keys()
    assert {name: sqlite[name] for name in both} == {name: postgres[name] for name in both}


def test_both_databases_have_the_same_migrations() -> None:
    """Numbers and names are the same, so that a version of the schema means the same everywhere."""
    of_sqlite = mainspring.store.sqlite.migrate.migrations()
    of_postgres = mainspring.store.postgres.migrate.migrations()
    assert [entry[:2] for entry in of_sqlite] == [entry[:2] for entry in of_postgres]


def test_each_table_states_what_it_holds() -> None:
    """The line above each table is a comment: the migrations are the reference of the schema."""
    for migrations in (mainspring.store.sqlite.migrate.migrations(), mainspring.store.postgres.migrate.migrations()):
        text = "".join(text for _, _, text in migrations)
        tables = {name for name, _ in _TABLE.findall(text)}
        assert len(tables) > 50
        assert tables - set(_EXPLAINED.findall(text)) == set()


def test_no_migration_that_stores_may_have_is_changed() -> None:
    """A change of the schema is a migration of its own: stores that have an edited one lack the edit."""
    lines = {
        f"{database} {number:04} {name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        for database, migrations in (
            ("sqlite", mainspring.store.sqlite.migrate.migrations()),
            ("postgres", mainspring.store.postgres.migrate.migrations()),
        )
        for number, name, text in migrations
    }
    _, *recorded = Path(__file__).with_name("migrations.txt").read_text().splitlines()
    assert len(recorded) >= 14
    assert set(recorded) - lines == set()
