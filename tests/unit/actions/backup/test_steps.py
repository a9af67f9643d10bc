"""Backups as steps of a workflow."""

import mainspring as ms
from mainspring.actions import backup
from tests.unit.actions.backup.test_sqlite_backup import make_database


def test_backup_is_a_step_with_a_typed_result(tmp_path):
    """The result crosses the journal: file, tables and instant."""

    @ms.workflow(name="backs_up", deadline="1m")
    async def back_up(run: ms.Run, database: str, to: str) -> list[object]:
        made = await run.step(backup.sqlite, database, to=to, make_folders=True)
        pruned = await run.step(backup.prune, to.rpartition("/")[0], daily=1)
        return [made.tables["orders"], made.is_new, pruned.remaining == [made.file.name], made.created < run.now()]

    database = make_database(tmp_path / "orders.db", 3)
    app = ms.App(tmp_path / "store.db")
    assert app.run(back_up, str(database), str(tmp_path / "to" / "a.db")) == [3, True, True, True]
