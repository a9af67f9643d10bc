"""What one process tells others of its changes, and when they heed it."""

import threading

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.committer import Committer
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.change_notifications import NOTIFY_EVERY_S, PASS_ON_EVERY_S
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess, finish

TIMEOUT_S = 60.0


class Passing:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def passing():
    """The seconds of `listener` and `notifying`."""
    return Passing()


@pytest.fixture
def url(postgres, monkeypatch):
    """An empty store that is reached without a pooler."""
    monkeypatch.setattr(postgres, "front", None)
    return postgres.new_store()


@pytest.fixture
def opened(url, passing):
    """Open databases that count their seconds as the test does."""
    made = []

    def make():
        made.append(PostgresDatabase(read_address(url), clock=SystemClock(), handlers=HANDLERS, passing=passing))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


@pytest.fixture
def starts(url):
    """The commands with which someone starts runs."""
    process = PostgresProcess(url, FakeClock()).open()
    process.announce("a")
    process.close()
    return process.starting


def arrives(database: PostgresDatabase) -> bool:
    """Tell whether a hint arrives: all that was sent before is there once the server has answered."""
    assert database.connection is not None
    database.connection.execute("select 1")
    return database.poll()


def test_first_change_after_a_quiet_time_is_reported_at_once(opened, starts):
    """Nothing is waited for; and no one takes its own hint for another's."""
    notifying, listener = opened(), opened()
    notifying.commit([starts()])
    assert arrives(listener)
    assert not arrives(listener)
    assert not arrives(notifying)


def test_change_soon_after_another_is_reported_when_the_time_between_is_over(opened, starts, passing):
    """Nothing needs to follow it: the committer learns when to call, and its call tells."""
    notifying, listener = opened(), opened()
    notifying.commit([starts()])
    assert arrives(listener)
    passing.seconds += NOTIFY_EVERY_S / 2
    notifying.commit([starts()])
    assert notifying.poll_in == pytest.approx(NOTIFY_EVERY_S / 2)
    passing.seconds += NOTIFY_EVERY_S / 2
    assert not arrives(listener)
    assert notifying.poll_in == pytest.approx(0)
    passing.seconds += NOTIFY_EVERY_S / 2
    assert not notifying.poll()
    assert notifying.poll_in == float("inf")
    assert arrives(listener)


def test_process_that_ends_reports_what_it_has_not_reported(opened, starts):
    """A command line that starts two runs and ends leaves neither to the look of each second."""
    notifying, listener = opened(), opened()
    notifying.commit([starts()])
    assert arrives(listener)
    listener._hints._passed_on_at = 0.0
    notifying.commit([starts()])
    assert not arrives(listener)
    notifying.close()
    assert arrives(listener)


def test_many_hints_are_heeded_so_often_at_most(opened, starts, passing):
    """Many processes tell; none of theirs is dropped, and a worker asks for runs so often at most."""
    notifying_pair, listener = (opened(), opened()), opened()
    notifying_pair[0].commit([starts()])
    assert arrives(listener)
    notifying_pair[1].commit([starts()])
    assert not arrives(listener)
    assert listener.poll_in == pytest.approx(PASS_ON_EVERY_S)
    passing.seconds += PASS_ON_EVERY_S * 1.1
    assert listener.poll_in == 0
    assert listener.poll()
    assert listener.poll_in == float("inf")


def test_hint_next_to_a_commit_answer_is_stored(opened, starts):
    """It can no longer be read from the connection: the committer learns that there is something to do."""
    notifying, listener = opened(), opened()
    notifying.commit([starts()])
    listener.commit([])
    assert listener.poll_in == 0
    assert listener.poll()


def test_lost_connection_has_no_descriptor_and_the_next_one_polls_at_once(opened, starts):
    """What was reported meanwhile is not known."""
    database = opened()
    before = database.hints
    assert before is not None
    with connect(database.address) as other:
        other.execute("select pg_terminate_backend(cast($1 as int), 10000)", (database.connection.info.backend_pid,))
    with pytest.raises(StoreUnavailableError):
        for _ in range(2):  # the first accepts the server's last words, and the descriptor can still be read
            database.poll()
    assert database.hints is None
    assert not database.poll()
    database.commit([starts()])
    assert database.hints is not None
    assert database.poll()


def test_idle_process_is_woken_by_the_hint_itself(url, starts, passing, opened):
    """Where no one looks now and then, another process's start is noticed all the same; and so is what is submitted here."""
    woken, changes = threading.Event(), []

    def on_change(change):
        changes.append(change)
        woken.set()

    committer = Committer(opened(), lambda answers: None, on_change=on_change, poll_every=1_000)
    committer.start()
    try:
        for _ in range(3):
            opened().commit([starts()])
            assert woken.wait(TIMEOUT_S)
            woken.clear()
            passing.seconds += 0.25
            committer.apply(starts())
            assert woken.wait(TIMEOUT_S)
            woken.clear()
    finally:
        committer.stop()
    assert len(changes) == 6


def test_an_end_of_a_run_is_reported_to_those_who_wait_and_is_no_work(opened, url, passing):
    """No worker claims for it; the next hint of work is work again."""
    process, listener = PostgresProcess(url, FakeClock()).open(), opened()
    process.announce("a")
    run = process.begin()
    assert arrives(listener)
    assert listener.has_found_ends
    passing.seconds += max(PASS_ON_EVERY_S, NOTIFY_EVERY_S) * 2
    process.database._hints._passing = passing
    process.database._hints._sent_at = 0.0
    process.do(finish(run))
    assert not arrives(listener)
    assert listener.has_found_ends
    assert not arrives(listener)
    assert not listener.has_found_ends
    passing.seconds += max(PASS_ON_EVERY_S, NOTIFY_EVERY_S) * 2
    process.start()
    assert arrives(listener)
    process.close()


def test_a_hint_does_not_wait_for_the_disk(opened, starts):
    """It is a commit of its own, which nothing depends on: every other commit of the connection is durable."""
    database = opened()
    settings = []
    real = database.connection.execute

    def execute(query, params=None, **options):
        if isinstance(query, str) and "pg_notify" in query:
            settings.append(real("show synchronous_commit").fetchone()[0])
            found = real(query, params, **options)
            settings.extend([found.fetchone()[0], real("show synchronous_commit").fetchone()[0]])
            return found
        return real(query, params, **options)

    database.connection.execute = execute
    database.commit([starts()])
    assert settings == ["on", "off", "on"]
