"""Effects in the working folder of a case: its files, line by line, and the rows of its SQLite databases."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

_SQLITE = b"SQLite format 3\0"
_MOST_TEXT = 64 * 1024
_DATABASE_SUFFIXES = ("-wal", "-shm", "-journal")


class WorkEffect(msgspec.Struct, frozen=True, order=True):
    """One thing that took place outside. `target` = where, such as "row of payments in shop.db"; `content` = what, as text."""

    target: str
    content: str


def read_effects(folder: Path) -> list[WorkEffect]:
    """Return all that is below a folder, sorted."""
    return sorted(_list_effects(folder))


def _list_effects(folder: Path) -> Iterator[WorkEffect]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield WorkEffect(f"link {name}", str(path.readlink()))
        elif path.is_dir():
            yield WorkEffect(f"folder {name}", "")
        elif path.is_file() and not name.endswith(_DATABASE_SUFFIXES):
            yield from _read_file(path, name)


def _read_file(path: Path, name: str) -> Iterator[WorkEffect]:
    data = path.read_bytes()
    if data.startswith(_SQLITE):
        yield from _read_rows(path, name)
        return
    yield WorkEffect(f"file {name}", f"mode {path.stat().st_mode & 0o777:o}")
    if len(data) <= _MOST_TEXT and b"\0" not in data:
        for line in data.decode(errors="replace").splitlines():
            yield WorkEffect(f"line of {name}", line)
    else:
        yield WorkEffect(f"content of {name}", hashlib.sha256(data).hexdigest())


def _read_rows(path: Path, name: str) -> Iterator[WorkEffect]:
    """Return each row without its number: a row that is inserted again gets another number, and is the same effect."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            table
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        for table in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            columns = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
            columns_of_content = [
                position
                for position, column in enumerate(columns)
                if not (column[5] and column[2].upper() == "INTEGER")
            ]
            for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - the name is quoted
                yield WorkEffect(
                    f"row of {table} in {name}",
                    json.dumps([row[position] for position in columns_of_content], default=repr),
                )
