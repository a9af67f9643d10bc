"""Groups of several processes that want the same locks: they wait in a row, and where they do wait in a ring no one hears of it."""

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    ApplyRetention,
    AutomationRow,
    MakeSlot,
    ScheduleRow,
    SetQueue,
)
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.runs import ClaimRuns, RunKey
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.transaction import PostgresTransaction
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess, finish
from tests.polling import polls

QUEUES = ("a", "b", "c")
SCHEDULES = tuple(f"s{n}" for n in range(8))
STARTERS, STARTS, WORKERS = 3, 6, 2
LONG_MS = 300_000
"""A lease with which no one abandons a wait, however busy the machine is."""


@pytest.fixture
def url(postgres: Any) -> str:
    """An empty store."""
    return str(postgres.new_store())


@pytest.fixture
def second_session(url: str) -> Iterator[Any]:
    """A connection of someone else, in the tables of the store."""
    PostgresProcess(url, FakeClock()).close()
    address = read_address(url)
    connection = connect(address)
    connection.execute(f"set search_path = {address.schema}")
    yield connection
    connection.close()


def announcement(rng: random.Random) -> AnnounceDefinitions:
    """One automation with a schedule for each name, in any order."""
    names = order(rng, SCHEDULES)
    rows = tuple(AutomationRow(name, "task", 1, "code", b"{}") for name in names)
    return AnnounceDefinitions("code", rows, tuple(ScheduleRow(name, name, b"{}", 1_000) for name in names))


class Processes:
    """Those of one store; `rings` = so often the server undid a transaction of one to break a ring of locks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clock = FakeClock()
        self.rings = 0
        self.faults: list[Exception] = []
        self.done = threading.Event()

    @contextlib.contextmanager
    def process(self) -> Iterator[PostgresProcess]:
        process = PostgresProcess(self._url, self._clock, LONG_MS)
        try:
            yield process
        finally:
            self.rings += process.database.rings
            process.close()

    def thread(self, work: Callable[["Processes", int], None], seed: int) -> threading.Thread:
        """Let a thread work, whose fault is the test's."""

        def guarded() -> None:
            try:
                work(self, seed)
            except Exception as fault:
                self.faults.append(fault)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread


def start_often(processes: Processes, seed: int) -> None:
    """Begin a session, announce what it can run, claim and end; again and again."""
    rng = random.Random(seed)
    for turn in range(STARTS):
        with processes.process() as process:
            process.open(capacity=4)
            for queue in order(rng, QUEUES):
                process.do(SetQueue(queue, concurrency=4, rate_count=1_000, rate_per_ms=1_000), claim(process))
            process.do(announcement(rng), claim(process))
            for name in order(rng, SCHEDULES):
                process.do(slot(process, name, turn + 1, rng))
            process.do(*(process.starting(rng.choice(SCHEDULES), queue=queue) for queue in order(rng, QUEUES)))
            process.do(CloseSession())


def claim(process: PostgresProcess) -> ClaimRuns:
    return ClaimRuns(process.name("c"), 4)


def order(rng: random.Random, names: tuple[str, ...]) -> list[str]:
    return rng.sample(names, len(names))


def slot(process: PostgresProcess, name: str, at: int, rng: random.Random) -> MakeSlot:
    """Serve a due time that other schedulers serve too, in a partition of its schedule."""
    key = RunKey(f"{name}@{at}", "h")
    start = process.starting(name, queue=rng.choice(QUEUES), partition=name, run_key=key)
    return MakeSlot(name, at, at + 1, "run", start)


def work(processes: Processes, seed: int) -> None:
    """Make slots of several schedules in one group, claim and end runs, prune."""
    rng = random.Random(seed)
    with processes.process() as process, processes.process() as outside:
        process.open(capacity=4)
        process.do(announcement(rng))
        for turn in itertools.count(1):
            process.do(*(slot(process, name, turn, rng) for name in order(rng, SCHEDULES)))
            claimed = process.do(claim(process)).runs
            if claimed:
                process.do(*(finish(run) for run in claimed), claim(process))
            outside.do(*(outside.starting(rng.choice(SCHEDULES), queue=queue) for queue in order(rng, QUEUES)))
            process.do(ApplyRetention(None, None, None, None, 0))
            if processes.done.is_set():
                return


def test_sessions_that_start_next_to_busy_workers_make_no_ring_of_locks(url):
    """Queues, definitions, schedules, slots, backlogs and claims are locked in one order by everyone."""
    processes = Processes(url)
    workers = [processes.thread(work, n + 1) for n in range(WORKERS)]
    starters = [processes.thread(start_often, n + 10) for n in range(STARTERS)]
    for thread in starters:
        thread.join()
    processes.done.set()
    for thread in workers:
        thread.join()
    assert processes.faults == []
    assert processes.rings == 0


def test_group_that_the_server_undid_to_break_a_ring_is_run_again_quietly(url, second_session):
    """Nothing of it was done, and no one is notified of it as of trouble."""
    process = PostgresProcess(url, FakeClock(), LONG_MS).open()
    rng = random.Random(1)
    process.do(announcement(rng))
    schema = read_address(url).schema
    transaction = PostgresTransaction(
        second_session.cursor(), schema, now=0, session=None, again=False, sealing=PLAIN_SEALING
    )
    second_session.execute("begin")
    second_session.execute("set local deadlock_timeout = '60s'")
    second_session.execute("select name from schedules for update")
    process.database.connection.execute("set deadlock_timeout = '3s'")  # long enough for what is asked beside it
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(process.do(announcement(rng))))
    thread.start()
    for _ in polls(60):
        if process.is_in_queue() or answers:
            break
    transaction.hold("deployments")
    second_session.execute("commit")
    thread.join()
    assert [type(answer) for answer in answers] == [NumberAnswer]
    assert process.database.rings == 1
    process.close()
