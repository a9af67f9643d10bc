"""The import: killed with kill -9 in its one long step, it continues at its checkpoint."""

import contextlib
import re
import sqlite3
from pathlib import Path

from tests.examples.lab import EXAMPLES, Lab, await_that

ROWS = 60_000


def counted(database: Path) -> int:
    """Return how many rows are there."""
    with contextlib.closing(sqlite3.connect(database)) as rows:
        try:
            found: int = rows.execute("select count(*) from rows").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
        return found


def test_import_continues_at_its_checkpoint_after_kill_9(lab: Lab) -> None:
    """The second attempt begins where the first was, skips nothing, and writes at most one batch again."""
    source, target = lab.folder / "rows.csv", lab.folder / "rows.db"
    source.write_text("id,value\n" + "".join(f"{n},v{n}\n" for n in range(ROWS)), encoding="utf-8")
    order = (str(EXAMPLES / "long_import.py"), str(source), str(target))
    killed = lab.start(*order)
    await_that(lambda: counted(target) >= 5_000, "the first rows")
    killed.kill()
    killed.wait()
    there = counted(target)
    assert there < ROWS, "it was killed too late to prove anything"
    out, err = lab.start(*order).communicate(timeout=60)
    behind = int(re.search(r"attempt 2 starts after row (\d+)", out)[1])  # type: ignore[index]
    assert there - 500 <= behind <= there, out + err
    assert "continuing run" in out
    assert f"{ROWS} rows are imported" in out
    with contextlib.closing(sqlite3.connect(target)) as rows:
        assert rows.execute("select count(*), max(id), max(times) from rows").fetchone()[:2] == (ROWS, ROWS - 1)
        assert rows.execute("select count(*) from rows where times > 1").fetchone()[0] == there - behind
