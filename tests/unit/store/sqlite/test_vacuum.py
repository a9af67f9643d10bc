"""Retention makes the file smaller."""

from mainspring.store.sqlite.vacuum import shrink
from tests.unit.store.sqlite.stores import do, open_database, starting


def test_the_file_shrinks_part_by_part_after_rows_are_gone(tmp_path):
    """What retention deleted is given back to the disk, while the store stays open, a limited number of pages at a time."""
    database = open_database(tmp_path / "x.db")
    database.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    empty = database.path.stat().st_size
    for n in range(50):
        do(database, starting(f"r{n}", title="x" * 60_000))
    database.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    before = database.path.stat().st_size
    database.connection.execute("delete from runs")
    parts, left = 0, -1
    while (now_left := shrink(database.path, pages=200)) not in (0, left):
        parts, left = parts + 1, now_left
    assert parts > 1
    assert now_left == 0
    assert before > empty + 2_500_000
    assert database.path.stat().st_size < empty + (before - empty) / 20
    do(database, starting("later"))
    database.close()
