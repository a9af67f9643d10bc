"""A commit of unknown outcome, on a real server behind a line that is cut: each command has one effect and gives its first answer.

TESTS_LONG=1 tries each command with each cut; without it a sample of them is tried.
"""

import random
import threading
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import FencedError, StoreUnavailableError
from mainspring.store import failpoints
from mainspring.store.commands import automations, sessions
from mainspring.store.commands.results import Refused, StartAnswer, UpdateStored
from mainspring.store.committer import Committer
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.store import PostgresStore
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.overlap import Sender, wait_until
from tests.lent_stores import LentStores
from tests.postgres_proxy import Proxy
from tests.postgres_server import PostgresServer
from tests.sampling import sample
from tests.unit.store.sqlite.stores import StoppedClock, do, starting
from tests.unit.store.sqlite.test_resubmission import COMMANDS, LOSES_ITS_COUNT, filled, is_refusal, spread

EACH_CUT = [(cut, n) for n in range(len(COMMANDS)) for cut in ("after", "late")]
CUTS = sample("lost answers", EACH_CUT, one_in=8)
_TABLES = "select tablename from pg_tables where schemaname = $1"


@pytest.fixture(scope="module")
def proxy(postgres):
    """A line to the server that can be cut."""
    line = Proxy(postgres.port)
    yield line
    line.close()


@pytest.fixture(scope="module")
def stores(postgres):
    """Of these tests alone: what a store is called depends on the clock that opened it."""
    made = LentStores(postgres)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_hook():
    yield
    failpoints.install(None)


def through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0] + f":{proxy.port}"))


def opener(url: str) -> Any:
    # The lease is long enough for a busy machine to fill the store meanwhile.
    return lambda clock: PostgresDatabase(
        read_address(url), clock=clock, handlers=HANDLERS, own_time=True, lease_ms=60_000
    )


def contents(url: str) -> dict[str, list[str]]:
    """Return all rows, but for those that count commits: what was committed twice is counted twice."""
    address = read_address(url)
    schema = address.schema
    with connect(address) as connection:
        connection.execute("select set_config('search_path', $1, false)", (schema,))
        tables = [row[0] for row in connection.execute(_TABLES, (schema,)).fetchall() if row[0] != "commits"]
        return {table: sorted(map(repr, connection.execute(f'select * from "{table}"').fetchall())) for table in tables}


QUIET: dict[int, tuple[Any, dict[str, list[str]]]] = {}


def quiet(stores: LentStores, number: int) -> tuple[Any, dict[str, list[str]]]:
    """Return the answer and the rows of an undisturbed commit."""
    if number not in QUIET:
        url = stores.lend()
        database = filled(opener(url))
        answer = do(database, COMMANDS[number])
        QUIET[number] = answer, contents(url)
        database.close()
        stores.take_back(url)
    return QUIET[number]


def waits_for_the_ghost(url: str, database: Any) -> bool:
    """Tell whether someone stands before the lock that the process takes first."""
    text = "select count(*) from pg_locks where locktype = 'advisory' and not granted and (classid::bigint << 32) + objid::bigint = $1"
    with connect(read_address(url)) as connection:
        return connection.execute(text, (database.instance,)).fetchall() == [(1,)]


def name_of(cut: str, number: int) -> str:
    return "-".join((cut, *sorted(kind.__name__ for kind in spread(COMMANDS[number]))))


@pytest.mark.parametrize(("cut", "number"), CUTS, ids=[name_of(*each) for each in CUTS])
def test_a_command_whose_answer_was_lost_has_one_effect(stores, proxy, number, cut):
    """The server committed, or does so only while the command is sent again: the second try waits for that and tells the same."""
    expected, rows = quiet(stores, number)
    url = stores.lend()
    database = filled(opener(through(url, proxy)))
    proxy.arm(cut)
    failpoints.install(proxy.pass_place)
    sender = Sender(SimpleNamespace(database=database), (COMMANDS[number],))
    sender.start()
    if cut == "late":
        wait_until(lambda: waits_for_the_ghost(url, database))
        proxy.deliver()
    sender.join(30)
    assert not sender.is_alive(), sender.describe_stack()
    answer = sender.answer
    assert sender.rings == 1
    assert isinstance(expected, Refused) is is_refusal(COMMANDS[number])
    if isinstance(answer, StartAnswer):
        assert (answer.run, answer.state) == (expected.run, expected.state)
    elif isinstance(answer, UpdateStored):
        assert (answer.id, answer.run) == (expected.id, expected.run)
    elif not isinstance(COMMANDS[number], LOSES_ITS_COUNT):
        assert answer == expected
    assert contents(url) == rows
    database.close()
    stores.take_back(url)


def test_connection_that_only_takes_leave_is_not_the_one_that_is_cut(postgres, proxy):
    """The line of a process that ended just before may hear of that late, when the cut of another one is due."""
    url = postgres.new_store()
    leaving = connect(read_address(through(url, proxy)))
    database = filled(opener(through(url, proxy)))
    cuts = proxy.cuts
    proxy.arm("after")
    failpoints.install(lambda place: (proxy.pass_place(place), place == "commit.before" and leaving.close()))
    sender = Sender(SimpleNamespace(database=database), (starting("new"),))
    sender.start()
    sender.join(30)
    assert (sender.rings, sender.answer.run, proxy.cuts) == (1, "new", cuts + 1)
    database.close()


def test_a_command_that_never_reached_the_server_is_sent_again(postgres, proxy):
    """What was cut off before its commit was rolled back; the second try does it."""
    url = postgres.new_store()
    database = filled(opener(through(url, proxy)))
    proxy.arm("before")
    failpoints.install(proxy.pass_place)
    sender = Sender(SimpleNamespace(database=database), (starting("new"),))
    sender.start()
    sender.join(30)
    assert (sender.rings, sender.answer.created) == (1, True)
    database.close()


def counted(database: Any) -> tuple[int, int, int, int]:
    """Return how many runs there are, have a place in the backlog, and are reported in the audit log, and the last token of the lock."""
    with connect(read_address(database)) as connection:
        connection.execute("select set_config('search_path', $1, false)", (read_address(database).schema,))
        return tuple(
            connection.execute(text).fetchall()[0][0]
            for text in (
                "select count(*) from runs",
                "select sum(n)::bigint from queue_backlogs",
                "select count(*) from audit_log",
                "select coalesce(max(token), 0) from lock_tokens",
            )
        )


class Load:
    """Processes with committers of their own that start runs, audited, until told to end; each counts what was acknowledged."""

    def __init__(self, address: str, count: int) -> None:
        self.databases = [
            PostgresDatabase(read_address(address), clock=StoppedClock(n * 10_000_000 + 1), handlers=HANDLERS)
            for n in range(count)
        ]
        for n, database in enumerate(self.databases):
            database.instance = n + 1_000
            database._opening["instance"] = database.instance
        self.acknowledged: list[str] = []
        self.errors: list[BaseException] = []
        self.over = threading.Event()
        self.committers = [Committer(database, ignore) for database in self.databases]
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(count)]
        for committer in self.committers:
            committer.start()
        for thread in self.threads:
            thread.start()

    def work(self, number: int) -> None:
        done = 0
        try:
            while not self.over.is_set():
                done += 1
                run = f"r{number}-{done}"
                answer = self.committers[number].apply(
                    automations.AuditedCommand(f"cmd-{run}", "me", "start", run, starting(run))
                )
                assert isinstance(answer, StartAnswer)
                self.acknowledged.append(run)
        except BaseException as error:
            self.errors.append(error)

    def at_least(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal or self.errors)

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        for committer in self.committers:
            committer.stop()
        for database in self.databases:
            database.close()
        assert self.errors == []


def ignore(answers: Any) -> None:
    """Every caller waits for its own answer."""


def test_lines_that_are_cut_again_and_again_lose_and_double_nothing(postgres, proxy):
    """Three processes work on; whatever was acknowledged is there once."""
    url = postgres.new_store()
    load = Load(through(url, proxy), 3)
    rng = random.Random(7)
    failpoints.install(proxy.pass_place)
    for _ in range(12):
        proxy.arm(rng.choice(("before", "after")))
        load.at_least(8)
        proxy.cut_all()
        load.at_least(2)
    failpoints.install(None)
    load.end()
    assert len(load.acknowledged) == len(set(load.acknowledged))
    assert counted(url) == (*(len(load.acknowledged),) * 3, 0)


def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing():
    """Power off, three times: what was acknowledged is there when the server is back, once."""
    server = PostgresServer().start()
    try:
        url = server.new_store()
        load = Load(url, 3)
        for _ in range(3):
            load.at_least(30)
            server.kill()
            server.start()
        load.at_least(30)
        load.end()
        assert counted(url) == (*(len(load.acknowledged),) * 3, 0)
    finally:
        server.remove()


def test_a_backend_that_the_administrator_ends_is_followed_by_a_new_one(postgres):
    """57P01 is a dead connection, not an error of the command."""
    url = postgres.new_store()
    database = filled(opener(url))
    with connect(read_address(url)) as connection:
        connection.execute("select pg_terminate_backend($1::int)", (database.connection.info.backend_pid,))
    with pytest.raises(StoreUnavailableError):
        do(database, starting("new"))
    assert do(database, starting("new"), again=True).created
    database.close()


def test_a_server_that_became_a_copy_is_left_for_a_new_connection(postgres):
    """25006: the old connection stays open and would refuse for ever."""
    url = postgres.new_store()
    database = filled(opener(url))
    old = database.connection
    old.execute("set default_transaction_read_only = on")
    with pytest.raises(StoreUnavailableError, match="read-only"):
        do(database, starting("new"))
    assert old.closed
    assert do(database, starting("new"), again=True).created
    database.close()


def test_a_dead_process_that_returns_over_a_cut_line_is_fenced(postgres, proxy):
    """Its commit never arrived, and others have its runs: it may not send it again."""
    url = postgres.new_store()
    database = filled(opener(through(url, proxy)))
    other = opener(url)(StoppedClock(5_000))
    other.instance = 77
    other._opening["instance"] = 77
    proxy.arm("before")
    failpoints.install(proxy.pass_place)
    with pytest.raises(StoreUnavailableError):
        do(database, starting("new"))
    failpoints.install(None)
    do(other, sessions.DeclareSessionDead(database.session))
    with pytest.raises(FencedError):
        do(database, starting("new"), again=True)
    assert [row for row in contents(url)["runs"] if "'new'" in row] == []
    for opened in (database, other):
        opened.close()


def test_a_half_closed_line_is_a_dead_one(postgres, proxy):
    """The server's side sends nothing more, ours could still: it is abandoned, and the command is sent again."""
    database = filled(opener(through(postgres.new_store(), proxy)))
    proxy.arm("half")
    failpoints.install(proxy.pass_place)
    sender = Sender(SimpleNamespace(database=database), (starting("new"),))
    sender.start()
    wait_until(lambda: sender.rings == 1)
    proxy.deliver()
    sender.join(30)
    assert sender.answer.created
    database.close()


def test_unanswered_process_ends_its_session_before_another_may_claim_it(postgres, proxy, tmp_path):
    """The line stays open and silent: the committing thread hangs, and another one sees that the lease is over."""
    address = read_address(through(postgres.new_store(), proxy))
    given_up = threading.Event()
    errors: list[BaseException] = []

    def note(error: BaseException) -> None:
        errors.append(error)
        given_up.set()

    store = PostgresStore(address, locks=tmp_path, lease_ms=3_000, clock=SystemClock(), on_fatal=note)
    store.open()
    store.open_session("worker")
    proxy.arm("silent")
    failpoints.install(proxy.pass_place)
    store.submit(starting("new"), errors.append)
    assert given_up.wait(30)
    assert isinstance(errors[0], FencedError)
    failpoints.install(None)
    proxy.deliver()
    store.close()
