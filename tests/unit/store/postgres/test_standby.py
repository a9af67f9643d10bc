"""A server with a synchronous standby: what is acknowledged is on both, whatever becomes of the wait for it."""

import signal
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.commands import automations
from mainspring.store.commands.results import StartAnswer
from mainspring.store.process_store import ProcessStore
from tests.contract.store.overlap import wait_until
from tests.postgres_server import PostgresServer, binaries, version_to_test
from tests.unit.store.sqlite.stores import starting

_WAITING = "select pid, xact_start::text from pg_stat_activity where wait_event = 'SyncRep'"


class Pair:
    """A primary, the standby it waits for, and what receives the copy there."""

    def __init__(self) -> None:
        self.primary = PostgresServer().start()
        self.standby = self.primary.standby()
        self.admin = psycopg.connect(self.primary.url("postgres"), autocommit=True)
        self.primary.set("synchronous_standby_names", "*")
        wait_until(lambda: self.admin.execute("select 1 from pg_stat_replication where sync_state = 'sync'").fetchall())

    def waiting(self) -> list[tuple[int, str]]:
        """Return the backends that wait for the standby, each with the beginning of its transaction."""
        return self.admin.execute(_WAITING).fetchall()

    def waits_again(self, since: str) -> bool:
        """Tell whether a later transaction than this one waits for the standby."""
        return any(started_at != since for _, started_at in self.waiting())

    def runs(self, server: PostgresServer, schema: str) -> list[str]:
        """Return the runs that one of the two has."""
        with psycopg.connect(server.url("postgres")) as connection:
            return [run for (run,) in connection.execute(f"select id from {schema}.runs order by id".encode())]

    def remove(self) -> None:
        """Leave nothing behind."""
        self.admin.close()
        self.primary.remove()
        self.standby.remove()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    if binaries(version_to_test()) is None:
        pytest.skip("PostgreSQL is not installed here")
    made = Pair()
    yield made
    made.remove()


class Person:
    """Who starts a run from a process of its own, and what was answered."""

    def __init__(self, url: str, **options: Any) -> None:
        self.reported: list[str | None] = []
        self.store: ProcessStore = make_store(url, clock=SystemClock(), on_outage=self.reported.append, **options)
        self.store.open()
        self.answers: list[Any] = []

    def start(self, run: str) -> None:
        """Ask for a run; do not wait."""
        threading.Thread(
            target=self._ask,
            args=(automations.AuditedCommand(f"cmd-{run}", "me", "start", run, starting(run)),),
            daemon=True,
        ).start()

    def _ask(self, command: Any) -> None:
        try:
            self.answers.append(self.store.apply(command))
        except BaseException as error:
            self.answers.append(error)


@pytest.mark.parametrize("role", [None, "worker"])
def test_wait_for_a_standby_that_was_abandoned_is_no_acknowledgement(pair: Pair, role: str | None) -> None:
    """The server reports a commit as done whose wait an administrator cancelled: it is sent again until the standby has it."""
    url = pair.primary.new_store()
    person = Person(url, lease_ms=60_000)
    if role is not None:
        person.store.open_session(role)
    pair.standby.stop()
    person.start("new")
    for _ in range(2):
        wait_until(pair.waiting)
        ((backend, since),) = pair.waiting()
        pair.admin.execute("select pg_cancel_backend(%s)", (backend,))
        wait_until(partial(pair.waits_again, since))
        assert person.answers == [], "it was acknowledged although only one server has it"
    assert "did not wait for its standbys" in str(person.reported)
    pair.standby.start()
    wait_until(lambda: person.answers)
    assert isinstance(person.answers[0], StartAnswer)
    assert pair.runs(pair.standby, url.rpartition("=")[2]) == ["new"]
    person.store.close()


def test_commit_that_waits_for_a_dead_standby_is_reported(pair: Pair) -> None:
    """Nothing is acknowledged and no one hangs unseen: the reason is reported, a person gets it for an answer, and all continues later."""
    url = pair.primary.new_store()
    patient, hurried = Person(url), Person(url, timeout_s=1.0)
    pair.standby.stop(signal.SIGQUIT)
    patient.start("patient")
    hurried.start("hurried")
    wait_until(lambda: hurried.answers and patient.reported)
    assert isinstance(hurried.answers[0], StoreUnavailableError)
    for text in (str(hurried.answers[0]), str(patient.reported)):
        assert "waits for a standby that does not confirm" in text
    assert patient.answers == []
    pair.standby.start()
    wait_until(lambda: patient.answers)
    assert isinstance(patient.answers[0], StartAnswer)
    assert pair.runs(pair.standby, url.rpartition("=")[2])[-1:] == ["patient"]
    for person in (patient, hurried):
        person.store.close()
