"""The committing thread, over a database that fails as it is asked to, and where that thread sleeps."""

import os
import select
import threading
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from mainspring.domain.errors import FencedError, StoreFullError, StoreUnavailableError
from mainspring.store.base import CommitChanges, CommitReport, SideFileFullError, StoreBrokenError
from mainspring.store.committer import GROUP_LIMIT, Committer, WakeupPipe

TIMEOUT_S = 60.0

LONG = 1_000.0


@pytest.fixture
def wakeup_pipe():
    """A bell that is closed afterwards."""
    found = WakeupPipe()
    yield found
    found.close()


@pytest.fixture
def pipe():
    """A descriptor to sleep at, and the end that makes it readable."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_wakeup_pipe_does_not_sleep_with_work_pending(wakeup_pipe, pipe):
    """What was queued before ringers knew of the sleeper is seen by itself."""
    assert not wakeup_pipe.sleep(pipe[0], LONG, lambda: False)


def test_wakeup_pipe_wakes_its_sleeper(wakeup_pipe, pipe):
    """A ring that comes at any time after the question ends the sleep, and is used up by it."""

    def is_idle():
        threading.Thread(target=wakeup_pipe.ring).start()
        return True

    for _ in range(20):
        assert not wakeup_pipe.sleep(pipe[0], LONG, is_idle)
    assert not wakeup_pipe.sleep(pipe[0], 0, lambda: True)


def test_wakeup_pipe_reports_a_readable_or_broken_descriptor(wakeup_pipe):
    """Both are for the owner of the descriptor to look at."""
    reading, writing = os.pipe()
    os.write(writing, b"!")
    assert wakeup_pipe.sleep(reading, LONG, lambda: True)
    os.read(reading, 1)
    assert not wakeup_pipe.sleep(reading, 0, lambda: True)
    os.close(writing)
    assert wakeup_pipe.sleep(reading, LONG, lambda: True)
    os.close(reading)


def test_wakeup_pipe_ignores_wakes_without_a_sleeper(wakeup_pipe, pipe):
    """Before the first sleep, between two and after the end nothing is written."""
    wakeup_pipe.ring()
    wakeup_pipe.sleep(pipe[0], 0, lambda: True)
    wakeup_pipe.ring()
    assert not wakeup_pipe.sleep(pipe[0], 0, lambda: True)
    wakeup_pipe.close()
    wakeup_pipe.ring()


class ScriptedDatabase:
    """Answers each command with itself; `script` holds what the next commits raise (None = succeed)."""

    def __init__(self, *script: BaseException | None) -> None:
        self.session: int | None = None
        self.warning: str | None = None
        self.script = list(script)
        self.calls: list[tuple[list[Any], bool]] = []
        self.evidence: list[list[Any]] = []
        self.blocker: threading.Event | None = None
        self.entered = threading.Event()
        self.changed = False
        self.polled = threading.Event()
        self.hints: int | None = None
        self.poll_in = inf
        self.meanwhile: Callable[[], None] | None = None

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        self.calls.append((list(commands), again))
        self.entered.set()
        if self.blocker is not None:
            assert self.blocker.wait(TIMEOUT_S)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return CommitReport([f"done {command}" for command in commands], CommitChanges())

    def keep_evidence(self, commands: list[Any]) -> None:
        self.evidence.append(commands)
        if self.script and (error := self.script.pop(0)) is not None:
            raise error

    def poll(self) -> bool:
        self.polled.set()
        changed, self.changed = self.changed, False
        return changed

    def close(self) -> None:
        pass


@pytest.fixture
def start():
    """Start committers and end them whatever the test did."""
    running: list[Committer] = []

    def make(
        database: ScriptedDatabase, deliver: Callable[[Any], None] = lambda answers: None, **more: Any
    ) -> Committer:
        committer = Committer(database, deliver, **more)
        committer.start()
        running.append(committer)
        return committer

    yield make
    for committer in running:
        committer.stop(drain=False)


def test_committer_takes_all_that_waits_as_one_group_in_order(start):
    """While one group is committed the next gathers; each group is delivered with one call."""
    database, delivered, all_in = ScriptedDatabase(), [], threading.Event()
    database.blocker = threading.Event()

    def deliver(answers):
        delivered.append([result for _, result in answers])
        if sum(map(len, delivered)) == 5:
            all_in.set()

    committer = start(database, deliver)
    committer.submit(0, print)
    assert database.entered.wait(TIMEOUT_S)
    for n in range(1, 5):
        committer.submit(n, print)
    database.blocker.set()
    assert all_in.wait(TIMEOUT_S)
    assert [commands for commands, _ in database.calls] == [[0], [1, 2, 3, 4]]
    assert delivered == [["done 0"], ["done 1", "done 2", "done 3", "done 4"]]


def test_committer_limits_the_size_of_a_group(start):
    """More than the limit waits for the next group."""
    database = ScriptedDatabase()
    database.blocker = threading.Event()
    committer = start(database)
    committer.submit("first", print)
    assert database.entered.wait(TIMEOUT_S)
    for n in range(GROUP_LIMIT + 1):
        committer.submit(n, print)
    database.blocker.set()
    committer.stop()
    assert [len(commands) for commands, _ in database.calls] == [1, GROUP_LIMIT, 1]


def test_committer_submits_an_unknown_commit_again_with_the_same_list(start):
    """An unknown outcome is resolved by the same commands, marked `again`, and people are notified until it succeeds."""
    database, answers = ScriptedDatabase(StoreUnavailableError("away"), StoreUnavailableError("away"), None), []
    committer = start(database, on_outage=answers.append)
    assert committer.apply("x") == "done x"
    committer.stop()
    assert database.calls == [(["x"], False), (["x"], True), (["x"], True)]
    assert answers == ["away", None]


def test_committer_holds_everything_while_the_disk_is_full(start, monkeypatch):
    """A full disk fails no one: it is tried until there is space, then all continues by itself."""
    monkeypatch.setattr("mainspring.store.committer._FULL_PAUSE", 0.01)
    full = StoreFullError("the disk of the store is full")
    database, answers = ScriptedDatabase(full, full, full, None), []
    committer = start(database, on_outage=answers.append)
    assert committer.apply("x") == "done x"
    assert committer.apply("y") == "done y"
    committer.stop()
    assert answers == [str(full), None]


@pytest.mark.parametrize(
    ("faults", "answers"),
    [
        ((StoreFullError("full"), StoreFullError("full")), (StoreFullError, "nothing was done: full")),
        ((StoreUnavailableError("away"), StoreFullError("full")), (StoreUnavailableError, "it is not known whether")),
        ((SideFileFullError("full"), StoreFullError("full")), (StoreUnavailableError, "it is not known whether")),
    ],
)
def test_committer_with_a_timeout_answers_when_it_ends(start, monkeypatch, faults, answers):
    """Who waits for an answer gets one; it says that nothing was done only where that is certain."""
    monkeypatch.setattr("mainspring.store.committer._FULL_PAUSE", 0.01)
    kind, words = answers
    database = ScriptedDatabase(*faults, *[StoreFullError("full")] * 1_000)
    committer = start(database, timeout_s=0.1)
    with pytest.raises(kind, match=words):
        committer.apply("x")
    database.script.clear()
    assert committer.apply("y") == "done y"


def test_hurried_committer_blocks_no_one(start, monkeypatch):
    """A process that ends waits for no disk: what is on its way is tried a little longer, then refused."""
    monkeypatch.setattr("mainspring.store.committer._LAST_TRIES_FOR", 0.05)
    database = ScriptedDatabase(*[StoreFullError("full")] * 1_000)
    committer = start(database)
    refused: list[BaseException] = []
    waiting = threading.Thread(target=lambda: refused.append(_error_of(committer, "x")))
    waiting.start()
    assert database.entered.wait(TIMEOUT_S)
    committer.hurry()
    waiting.join(TIMEOUT_S)
    assert [type(error) for error in refused] == [StoreFullError]


def test_committer_reports_outage_that_does_not_stop_it(start):
    """A database that commits from its reserve keeps its sentence up."""
    database, answers = ScriptedDatabase(), []
    database.warning = "nearly full"
    committer = start(database, on_outage=answers.append)
    committer.apply("x")
    database.warning = None
    committer.apply("y")
    committer.stop()
    assert answers == ["nearly full", None]


@pytest.mark.parametrize("error", [FencedError("dead"), StoreBrokenError("disk"), ZeroDivisionError("a bug")])
def test_committer_answers_nothing_more_after_a_fatal_error(start, error):
    """A fenced or broken process is reported once, its answers are dropped, and only blocked callers are set free."""
    database, delivered, fatal = ScriptedDatabase(error), [], []
    committer = start(database, delivered.append, on_fatal=fatal.append)
    database.blocker = threading.Event()
    committer.submit("a", print)
    assert database.entered.wait(TIMEOUT_S)
    waiting = threading.Thread(target=lambda: caught.append(_error_of(committer, "b")))
    caught: list[BaseException] = []
    waiting.start()
    database.blocker.set()
    waiting.join(TIMEOUT_S)
    with pytest.raises(type(error)):
        committer.apply("c")
    committer.submit("d", print)
    committer.stop()
    assert caught == [error]
    assert fatal == [error]
    assert delivered == []
    assert committer.fatal is error
    assert database.evidence == ([["a", "b"]] if isinstance(error, FencedError) else [])


def test_fenced_process_ends_though_its_evidence_cannot_be_saved(start, caplog):
    """It is tried once, and not at all while the database is away."""
    fenced = FencedError("dead")
    database, fatal = ScriptedDatabase(fenced, StoreUnavailableError("gone")), []
    committer = start(database, on_fatal=fatal.append)
    committer.submit("a", print)
    committer.stop()
    assert fatal == [fenced]
    assert "outcomes of effects could not be saved: gone" in caplog.text
    expired = FencedError("the lease has expired")
    expired.__cause__ = StoreUnavailableError("gone")
    database, fatal = ScriptedDatabase(expired), []
    committer = start(database, on_fatal=fatal.append)
    committer.submit("a", print)
    committer.stop()
    assert fatal == [expired]
    assert database.evidence == []


def _error_of(committer: Committer, command: Any) -> BaseException:
    try:
        committer.apply(command)
    except BaseException as error:
        return error
    raise AssertionError


def test_committer_raises_a_commands_own_error_from_apply(start):
    """A result that is an exception is raised in the blocked caller, and the thread lives on."""

    class Guilty(ScriptedDatabase):
        def commit(self, commands, *, again=False):
            return CommitReport(
                [ValueError(c) if c == "bad" else c for c in commands],
                CommitChanges(),
            )

    committer = start(Guilty())
    with pytest.raises(ValueError, match="bad"):
        committer.apply("bad")
    assert committer.apply("good") == "good"


def test_committer_notices_a_foreign_commit_when_idle_and_when_busy(start):
    """Another connection's commit becomes a change of unknown kind."""
    database, seen = ScriptedDatabase(), threading.Event()
    changes = []

    def on_change(change):
        changes.append(change)
        seen.set()

    committer = start(database, on_change=on_change, poll_every=0.001)
    database.changed = True
    assert seen.wait(TIMEOUT_S)
    seen.clear()
    database.changed = True
    for n in range(10_000):
        committer.apply(n)
        if seen.is_set():
            break
    assert seen.is_set()
    assert set(changes) == {CommitChanges(ready=True, facts=True, triggers=True, locks=True)}


def test_committer_drains_before_it_stops_and_refuses_afterwards(start):
    """What was submitted before stop is committed; what comes later is answered with an error at once."""
    database, delivered = ScriptedDatabase(), []
    database.blocker = threading.Event()
    committer = start(database, delivered.extend)
    for n in range(3):
        committer.submit(n, print)
    database.blocker.set()
    committer.stop()
    committer.submit("late", print)
    assert [result for _, result in delivered[:3]] == ["done 0", "done 1", "done 2"]
    assert isinstance(delivered[3][1], StoreUnavailableError)
    with pytest.raises(StoreUnavailableError, match="closed"):
        committer.apply("late")


def test_committer_abandons_an_unavailable_store_only_while_stopping(start, monkeypatch):
    """Stopping ends although the store stays away; the waiting caller learns that the outcome is unknown."""
    monkeypatch.setattr("mainspring.store.committer._LAST_TRIES_FOR", 0.05)

    class Away(ScriptedDatabase):
        def commit(self, commands, *, again=False):
            self.entered.set()
            raise StoreUnavailableError("away")

    database, delivered = Away(), []
    committer = start(database, delivered.extend)
    committer.submit("x", print)
    assert database.entered.wait(TIMEOUT_S)
    committer.stop()
    assert "not known" in str(delivered[0][1])


def test_committer_survives_a_receiver_that_is_gone(start):
    """A closed loop cannot be reported; the thread continues for others."""

    def closed(answers):
        raise RuntimeError("Event loop is closed")

    committer = start(ScriptedDatabase(), closed)
    committer.submit("x", print)
    assert committer.apply("y") == "done y"


class HintingDatabase(ScriptedDatabase):
    """A database that learns of other processes' commits through a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self._pipe = os.pipe()
        self.hints = self._pipe[0]
        self.polls = 0

    def notify(self) -> None:
        """Do as another process that committed."""
        self.changed = True
        os.write(self._pipe[1], b"!")

    def poll(self) -> bool:
        self.polls += 1
        self.poll_in = inf
        if select.select([self._pipe[0]], [], [], 0)[0]:
            os.read(self._pipe[0], 64)
        return super().poll()

    def close(self) -> None:
        """Give the pipe back."""
        for end in self._pipe:
            os.close(end)


@pytest.fixture
def hinting():
    """A database that gives hints."""
    database = HintingDatabase()
    yield database
    database.close()


def test_committer_wakes_on_a_hint_and_sleeps_once_it_was_read(hinting, start):
    """No look now and then is needed, each hint is looked at, and a hint that was looked at wakes no one again."""
    seen = threading.Semaphore(0)
    committer = start(hinting, on_change=lambda changes: seen.release(), poll_every=1_000)
    for _ in range(5):
        hinting.notify()
        assert seen.acquire(timeout=TIMEOUT_S)
        committer.apply("x")
    assert hinting.polls == 5


def test_committer_that_sleeps_at_hints_is_woken_by_each_command(hinting, start):
    """Anyone who submits rings, from however many threads at once, and anyone who stops it does."""
    committer = start(hinting, poll_every=1_000)
    threads = [threading.Thread(target=lambda: [committer.apply(n) for n in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert sum(len(commands) for commands, _ in hinting.calls) == 800
    committer.stop()
    assert not committer._thread.is_alive()


@pytest.mark.parametrize("kind", [ScriptedDatabase, HintingDatabase])
def test_committer_calls_poll_when_the_database_wants_it(kind, start):
    """What the database keeps for later has its time, however seldom others are looked for."""
    database = kind()
    database.poll_in = 0.0
    committer = start(database, poll_every=1_000)
    assert database.polled.wait(TIMEOUT_S)
    database.poll_in = inf
    committer.stop()
    database.close()


class BusyServer(ScriptedDatabase):
    """Waits for a server: `pause` is called within each commit, before and after it lends its time."""

    def __init__(self, pause: Callable[[str], None]) -> None:
        super().__init__()
        self.meanwhile = lambda: None
        self._pause = pause

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        self._pause("before")
        assert self.meanwhile is not None
        self.meanwhile()
        self._pause("after")
        return super().commit(commands, again=again)


def test_committer_gives_answers_while_the_server_works_for_the_next_group(start):
    """The first group is answered at once; one behind which others wait, while they are under way; the last one at its end."""
    given: list[Any] = []
    seen: list[tuple[str, list[Any]]] = []
    entered, blocker = threading.Semaphore(0), threading.Semaphore(0)

    def pause(where: str) -> None:
        seen.append((where, list(given)))
        if where == "before":
            entered.release()
            assert blocker.acquire(timeout=TIMEOUT_S)

    committer = start(BusyServer(pause), lambda answers: given.extend(result for _, result in answers))
    committer.submit(1, print)
    assert entered.acquire(timeout=TIMEOUT_S)
    committer.submit(2, print)  # waits while the first is under way: what is answered now is held
    blocker.release()
    assert entered.acquire(timeout=TIMEOUT_S)
    blocker.release()
    committer.stop()
    assert seen == [("before", []), ("after", []), ("before", []), ("after", ["done 1"])]
    assert given == ["done 1", "done 2"]


def test_committer_holds_no_answer_while_the_store_is_unreachable(start):
    """What was committed is reported before the next group is tried again."""
    given: list[Any] = []
    entered, blocker = threading.Semaphore(0), threading.Semaphore(0)

    def pause(where: str) -> None:
        if where == "before":
            entered.release()
            assert blocker.acquire(timeout=TIMEOUT_S)

    class Away(BusyServer):
        def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
            self._pause("before")
            return ScriptedDatabase.commit(self, commands, again=again)

    database = Away(pause)
    database.script = [None, StoreUnavailableError("away"), None]
    committer = start(database, lambda answers: given.extend(result for _, result in answers))
    committer.submit(1, print)
    assert entered.acquire(timeout=TIMEOUT_S)
    committer.submit(2, print)
    blocker.release()
    assert entered.acquire(timeout=TIMEOUT_S)
    assert given == []
    blocker.release()
    assert entered.acquire(timeout=TIMEOUT_S)  # the second try
    assert given == ["done 1"]
    blocker.release()
    committer.stop()
    assert given == ["done 1", "done 2"]


def test_committer_continues_next_to_a_receiver_that_fails(start):
    """What one group's answers do to their receiver neither undoes that commit nor the one that is under way."""
    given: list[Any] = []

    def deliver(answers: list[tuple[Any, Any]]) -> None:
        given.append([result for _, result in answers])
        raise ValueError("a fault of the receiver")

    database = BusyServer(lambda where: None)
    committer = start(database, deliver)
    for n in range(3):
        committer.submit(n, print)
    committer.stop()
    assert [result for results in given for result in results] == ["done 0", "done 1", "done 2"]
    assert [commands for commands, again in database.calls if again] == []
    assert committer.fatal is None
