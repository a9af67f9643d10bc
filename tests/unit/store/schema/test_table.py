"""Tables: each column of the databases stands once in `store/schema`, and the rows of statements name such columns."""

import importlib

import pytest

from mainspring.store.postgres.migrate import migrations as postgres_migrations
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import ColumnType, Reference, load_tables, module_names
from mainspring.store.sqlite.migrate import migrations as sqlite_migrations
from tests.unit.store.test_schemas import _DIFFERENT, columns

_TYPES = {ColumnType.TEXT: "text", ColumnType.INTEGER: "integer", ColumnType.BLOB: "blob"}
_NAMED_OTHERWISE = {
    "runs.trigger",  # what started the run: cli:user@host, schedule, child
    "runs.parent_ident",
    "flag_uses.automation",  # its name of that time
    "secret_uses.automation",  # its name of that time: the digest of a day covers it
}
"""Columns that are called as if they referred to an automation, and do not."""


def all_rows():
    """Return the row types of all tables by name."""
    found = {}
    for table, module in module_names().items():
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, RowType | InsertedRow) and value.table.name == table:
                found[f"{table}.{name}"] = value
    return found


@pytest.mark.parametrize("migrations", [sqlite_migrations, postgres_migrations], ids=["sqlite", "postgres"])
def test_schema_has_the_columns_of_the_database(migrations):
    """A column that a migration adds and the schema does not know, or the other way round, is an error."""
    there = columns(migrations())
    schema = {
        f"{table.name}.{column.name}": (_TYPES[column.type], not column.is_nullable)
        for table in load_tables()
        for column in table.columns
    }
    assert len(schema) > 400
    assert {name for name in schema.keys() ^ there.keys() if name not in _DIFFERENT} == set()
    both = schema.keys() & there.keys()
    assert {name: schema[name] for name in both} == {name: there[name] for name in both}


def test_rows_read_and_insert_columns_of_their_table():
    """A field without an expression of its own is a column of the table, so a renamed column is found here."""
    rows = all_rows()
    assert len(rows) > 10
    for name, row in rows.items():
        known = {column.name for column in row.table.columns}
        assert set(row.columns) - known == set(), name


def test_inserted_rows_give_what_the_table_needs():
    """A row has its fields in the order of the statement, and one letter of an array for each."""
    inserted = {name: row for name, row in all_rows().items() if isinstance(row, InsertedRow)}
    assert "runs.NEW_RUN" in inserted
    for name, row in inserted.items():
        assert len(row.kinds) == len(row.columns) == len(set(row.columns)), name
        assert row.insert_list.count("?") == len(row.columns), name


def test_columns_called_after_an_automation_are_marked():
    """A column with the name of an automation, trigger or schedule refers to it, and a rename changes it."""
    unmarked = {
        f"{table.name}.{column.name}"
        for table in load_tables()
        for column in table.columns
        if column.name in {"automation", "trigger", "schedule"} and column.refers_to is None
    }
    assert unmarked - _NAMED_OTHERWISE == set()
    assert sum(column.refers_to is Reference.AUTOMATION for table in load_tables() for column in table.columns) > 10
