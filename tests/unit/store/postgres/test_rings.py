"""Groups of several processes that want the same locks: they wait in a row, and where they do wait in a ring nobody hears of it."""

import itertools
import random
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mainspring.domain.sealing import PLAIN
from mainspring.store.commands.automations import Announce, AutomationRow, MakeSlot, Prune, ScheduleRow, SetQueue
from mainspring.store.commands.runs import Claim, RunKey
from mainspring.store.commands.results import Numbered
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.transaction import PostgresTransaction
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess, finish
from tests.looking import looks

QUEUES = ("a", "b", "c")
SCHEDULES = tuple(f"s{n}" for n in range(8))
STARTERS, STARTS, WORKERS = 3, 12, 2
_NUMBERS = itertools.count(1)


@pytest.fixture
def url(postgres: Any) -> str:
    """A store in a database of its own: what the server counts, it counts by database."""
    name = f"rings{next(_NUMBERS)}"
    postgres.make_database(name)
    return f"{postgres.url(name)}?schema=store"


@pytest.fixture
def beside(url: str) -> Iterator[Any]:
    """A connection of somebody else, in the tables of the store."""
    PostgresProcess(url, FakeClock()).close()
    connection = connect(read_address(url))
    connection.execute("set search_path = store")
    yield connection
    connection.close()


def rings(postgres: Any) -> int:
    """Return how many rings of locks the server has broken in these databases; a process has said so once its connection is closed."""
    with psycopg.connect(postgres.url("postgres")) as connection:
        text = "select sum(deadlocks)::int from pg_stat_database where datname like 'rings%'"
        return int(connection.execute(text).fetchone()[0])


def announcement(chance: random.Random) -> Announce:
    """One automation with a schedule for each name, in any order."""
    names = order(chance, SCHEDULES)
    rows = tuple(AutomationRow(name, "task", 1, "code", b"{}") for name in names)
    return Announce("code", rows, tuple(ScheduleRow(name, name, b"{}", 1_000) for name in names))


def start_often(url: str, seed: int, clock: FakeClock) -> None:
    """Begin a session, announce what it can run, claim and end; again and again."""
    chance = random.Random(seed)
    for turn in range(STARTS):
        process = PostgresProcess(url, clock)
        try:
            process.open(capacity=4)
            for queue in order(chance, QUEUES):
                process.do(SetQueue(queue, concurrency=4, rate_count=1_000, rate_per_ms=1_000), claim(process))
            process.do(announcement(chance), claim(process))
            for name in order(chance, SCHEDULES):
                process.do(slot(process, name, turn + 1, chance))
            process.do(*(process.starting(chance.choice(SCHEDULES), queue=queue) for queue in order(chance, QUEUES)))
            process.do(CloseSession())
        finally:
            process.close()


def claim(process: PostgresProcess) -> Claim:
    return Claim(process.name("c"), 4)


def order(chance: random.Random, names: tuple[str, ...]) -> list[str]:
    return chance.sample(names, len(names))


def slot(process: PostgresProcess, name: str, at: int, chance: random.Random) -> MakeSlot:
    """Serve a due time that other schedulers serve too, in a partition of its schedule."""
    key = RunKey(f"{name}@{at}", "h")
    start = process.starting(name, queue=chance.choice(QUEUES), partition=name, run_key=key)
    return MakeSlot(name, at, at + 1, "run", start)


def work(url: str, seed: int, clock: FakeClock, done: threading.Event) -> None:
    """Make slots of several schedules in one group, claim and end runs, prune."""
    chance = random.Random(seed)
    process = PostgresProcess(url, clock)
    outside = PostgresProcess(url, clock)
    at = 0
    try:
        process.open(capacity=4)
        process.do(announcement(chance))
        while not done.is_set():
            at += 1
            process.do(*(slot(process, name, at, chance) for name in order(chance, SCHEDULES)))
            taken = process.do(claim(process)).runs
            if taken:
                process.do(*(finish(run) for run in taken), claim(process))
            outside.do(*(outside.starting(chance.choice(SCHEDULES), queue=queue) for queue in order(chance, QUEUES)))
            process.do(Prune(None, None, None, None, clock.now()))
    finally:
        process.close()
        outside.close()


def test_sessions_that_start_beside_busy_workers_make_no_ring_of_locks(url, postgres):
    """Queues, definitions, schedules, slots, backlogs and claims are locked in one order by everybody."""
    clock, done, faults = FakeClock(), threading.Event(), []
    before = rings(postgres)

    def guarded(call: Any, *args: Any) -> None:
        try:
            call(*args)
        except Exception as fault:  # noqa: BLE001 - the test's thread tells of it
            faults.append(fault)

    workers = [threading.Thread(target=guarded, args=(work, url, n + 1, clock, done)) for n in range(WORKERS)]
    starters = [threading.Thread(target=guarded, args=(start_often, url, n, clock)) for n in range(STARTERS)]
    for thread in (*workers, *starters):
        thread.start()
    for thread in starters:
        thread.join()
    done.set()
    for thread in workers:
        thread.join()
    assert faults == []
    assert rings(postgres) == before


def test_group_that_the_server_undid_to_break_a_ring_is_run_again_quietly(url, postgres, beside):
    """Nothing of it was done, and nobody is told of it as of trouble."""
    process = PostgresProcess(url, FakeClock()).open()
    chance = random.Random(1)
    process.do(announcement(chance))
    before = rings(postgres)
    transaction = PostgresTransaction(beside.cursor(), "store", now=0, session=None, again=False, sealing=PLAIN)
    beside.execute("begin")
    beside.execute("set local deadlock_timeout = '60s'")
    beside.execute("select name from schedules for update")
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(process.do(announcement(chance))))
    thread.start()
    for _ in looks(60):
        if process.stands_in_line() or answers:
            break
    transaction.hold("deployments")
    beside.execute("commit")
    thread.join()
    assert [type(answer) for answer in answers] == [Numbered]
    process.close()
    assert rings(postgres) == before + 1
