"""A wrapped command and a round of `watch` are the only ones who see that the store is lost, where nothing else runs."""

import contextlib
import os
import sqlite3

import pytest

from mainspring.app.exec.best_effort_store import BestEffortStore
from mainspring.app.exec.plan import ExecPlan
from mainspring.app.exec.process import ExecProcess
from mainspring.app.exec.store_outage import StoreOutageReporter
from mainspring.app.exec.watch_round import watch_once
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.errors import StoreUnavailableError
from mainspring.engine.commands.exec_run import ExecRunSpec
from mainspring.engine.definitions.command_definition import build_command_definition
from mainspring.store.sqlite.store import SqliteStore
from tests.acceptance.receiver import Receiver


class Crontab:
    """A machine with a crontab and nothing else of ours."""

    def __init__(self, folder, receiver):
        self.receiver = receiver
        self.store = folder / "state.db"
        env = {"MAINSPRING_STORE_URL": str(self.store), **receiver.settings}
        self.settings = load(env=env, cwd=folder, uid=os.getuid(), flags={})

    def exec(self):
        words = ["true"]
        plan = ExecPlan(
            wrapping=ExecRunSpec(definition=build_command_definition(DefinitionKind.EXEC, "x", words, {}), words=words),
            store=self.store,
            spool=self.settings.exec.spool,
            report_outage=StoreOutageReporter(self.settings, SystemClock()).report,
        )
        assert ExecProcess(plan).run() == 0

    def watch(self):
        return watch_once(self.settings, SystemClock())

    def make_store(self):
        store = SqliteStore(self.store, clock=SystemClock())
        store.open()
        store.close()

    @property
    def reported(self):
        return [message["data"]["about"] for message in self.receiver.messages]


@pytest.fixture
def crontab(tmp_path, monkeypatch):
    receiver = Receiver()
    for name, value in receiver.settings.items():
        monkeypatch.setenv(name, value)
    yield Crontab(tmp_path, receiver)
    receiver.close()


def test_damaged_store_is_reported_once_and_its_end_too(crontab):
    """By anyone who sees it first; a command runs all the same, and a store that is healthy again has it on record."""
    crontab.store.write_bytes(b"no store at all\0" * 1_000)
    crontab.exec()
    assert crontab.reported == ["opened"]
    crontab.exec()
    with pytest.raises(StoreUnavailableError):
        crontab.watch()
    assert crontab.reported == ["opened"]
    crontab.store.unlink()
    crontab.make_store()
    crontab.watch()
    crontab.exec()
    assert crontab.reported == ["opened", "resolved"]
    with contextlib.closing(sqlite3.connect(crontab.store)) as store:
        assert store.execute("select kind, state from incidents").fetchall() == [("store_lost", "resolved")]


def test_end_is_reported_only_when_it_is_on_record(crontab):
    """A store that answers a command and then fails to take this is still lost: the next command tells the end."""
    crontab.store.write_bytes(b"no store at all\0" * 1_000)
    crontab.exec()
    crontab.store.unlink()
    ledger = BestEffortStore(crontab.store, SystemClock())
    ledger.open()
    with contextlib.closing(sqlite3.connect(crontab.store)) as other:
        other.execute("alter table incident_moves rename to away")
        StoreOutageReporter(crontab.settings, SystemClock()).report(ledger)
        assert ledger.lost is not None
        assert crontab.reported == ["opened"]
        other.execute("alter table away rename to incident_moves")
    crontab.exec()
    assert crontab.reported == ["opened", "resolved"]


def test_watch_reports_it_as_well(crontab):
    """Where no command runs for a while the round is the first to see it."""
    crontab.store.write_bytes(b"no store at all\0" * 1_000)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            crontab.watch()
    assert crontab.reported == ["opened"]


def test_store_that_is_healthy_reports_nothing(crontab):
    """Nor is anything remembered."""
    crontab.exec()
    crontab.watch()
    assert crontab.reported == []
    assert not list(crontab.store.parent.glob("*.store-lost.json*"))
