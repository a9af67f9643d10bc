"""Renames: what refers to an automation gets its new name, whatever table it is in."""

from mainspring.store.schema.renames import rename_statements
from mainspring.store.schema.table import Reference, load_tables
from mainspring.store.sqlite.texts import TEXTS
from tests.unit.store.sqlite.stores import open_database

_OLD = {
    Reference.AUTOMATION: "old",
    Reference.TRIGGER: "old/hook",
    Reference.SCHEDULE: "old#daily",
    Reference.SUBJECT: "automation:old",
}


def test_each_marked_column_has_a_statement():
    """A column that is marked as a reference is renamed."""
    marked = {
        f"rename_{column.name}_of_{table.name}"
        for table in load_tables()
        for column in table.columns
        if column.refers_to is not None
    }
    assert set(rename_statements()) == marked
    assert len(marked) > 20
    assert marked <= set(TEXTS.names())


def test_rename_changes_every_reference(tmp_path):
    """After a rename no row of any table names the old automation, and its figures are those of the new one."""
    connection = open_database(tmp_path / "x.db").connection
    connection.execute("pragma foreign_keys = off")
    for table in load_tables():
        if any(column.refers_to for column in table.columns):
            _insert_row(connection, table)
    for name in rename_statements():
        connection.execute(TEXTS[name], ("new", "old"))
    connection.execute("delete from rollups where automation = 'old'")
    connection.execute("delete from rollup_details where automation = 'old'")
    for table in load_tables():
        for column in table.columns:
            if column.refers_to is not None:
                found = connection.execute(f"select {column.name} from {table.name}").get
                assert found == _OLD[column.refers_to].replace("old", "new"), f"{table.name}.{column.name}"


def test_rename_leaves_what_another_row_has(tmp_path):
    """A row whose key the new name has already stays; figures are added up."""
    connection = open_database(tmp_path / "x.db").connection
    for name in ("old", "new"):
        connection.execute(
            "insert into run_keys (automation, key, run, input_hash, state) values (?, 'k', 'r', 'h', 's')", (name,)
        )
        connection.execute(
            "insert into rollups (session, automation, minute_at, started, max_duration_ms) values (1, ?, 60000, 2, ?)",
            (name, len(name)),
        )
    for name in rename_statements():
        connection.execute(TEXTS[name], ("new", "old"))
    assert connection.execute("select count(*) from run_keys where automation = 'old'").get == 1
    assert connection.execute("select started, max_duration_ms from rollups where automation = 'new'").get == (4, 3)


def test_rename_leaves_automations_of_a_similar_name(tmp_path):
    """`older` and the triggers of `old/er` are other automations."""
    connection = open_database(tmp_path / "x.db").connection
    connection.execute("insert into consumers (session, trigger) values (1, 'older/hook'), (1, 'old/er/hook')")
    for name in rename_statements():
        connection.execute(TEXTS[name], ("new", "old"))
    assert connection.execute("select trigger from consumers order by trigger").fetchall() == [
        ("old/er/hook",),
        ("older/hook",),
    ]


def _insert_row(connection, table):
    """Insert a row in which each reference names the old automation."""
    values = {}
    for column in table.columns:
        if column.refers_to is not None:
            values[column.name] = _OLD[column.refers_to]
        elif not column.is_nullable:
            values[column.name] = {"t": "x", "n": 1, "b": b"{}"}[column.type.value]
    if table.name == "topics":
        values["kind"] = "run"
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"insert into {table.name} ({names}) values ({marks})", tuple(values.values()))
