"""The tables of the two databases are the same tables."""

import re
from importlib import resources

_TABLE = re.compile(r"create table (\w+) \((.*?)\n\)", re.DOTALL)
_ADDED = re.compile(r"alter table (\w+) add column (\w+)\s+(text|bigint|integer|blob|bytea)\b([^;\n]*)")
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
    # On a file the kernel tells of a session's end.
    "sessions.lease_ms",
}


def columns(package: str) -> dict[str, tuple[str, bool]]:
    """Return each column with its type and whether it may be null."""
    found = {}
    folder = resources.files(package) / "migrations"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        text = file.read_text(encoding="utf-8")
        made = [(table, *column) for table, body in _TABLE.findall(text) for column in _COLUMN.findall(body)]
        for table, name, kind, rest in [*made, *_ADDED.findall(text)]:
            needed = "not null" in rest or "primary key" in rest
            found[f"{table}.{name}"] = (_TYPES.get(kind, kind), needed)
    return found


def test_both_databases_have_the_same_columns() -> None:
    """A column that one database has and the other has not would be forgotten by every statement they share."""
    sqlite, postgres = (columns(f"mainspring.store.{name}") for name in ("sqlite", "postgres"))
    assert len(sqlite) > 150
    assert sqlite.keys() ^ postgres.keys() == _DIFFERENT
    both = sqlite.keys() & postgres.keys()
    assert {name: sqlite[name] for name in both} == {name: postgres[name] for name in both}
