"""A worker accepts what wrapped commands left in the spool."""

import logging
from pathlib import Path

import pytest

from mainspring.app.workers.spool_import import make_spool_importer
from mainspring.domain.states import RunState
from mainspring.service.spool import Spool
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.store.sqlite.stores import StoppedClock


def test_worker_takes_the_spool_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records become runs, bad ones are reported, and an empty spool costs nothing."""
    store = SqliteStore(tmp_path / "s.db", clock=StoppedClock())
    store.open()
    take = make_spool_importer(Spool(tmp_path / "spool"))
    take(store)
    spool = Spool(tmp_path / "spool")
    spool.write(RecordExecRun("r_1", "a", "exec", 1, None, "exec", "json", b"{}", RunState.SUCCEEDED, 1, 2), None)
    (spool.folder / "r_0.run.json").write_text("{")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        take(store)
    assert [row[0] for row in store.reader.read("find_run_state", ("r_1",))] == ["succeeded"]
    assert (spool.names(), spool.bad_names()) == ([], ["r_0.run.json.bad"])
    assert sorted(record.levelname for record in caplog.records) == ["ERROR", "INFO"]
    store.close()
