"""Inboxes of loaded runs: each fact reaches its run, and a long inbox is not read again for each new fact."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.runs.journal import Fact, FactKind
from mainspring.engine.worker.inbox_reader import InboxReader


class World:
    """A store with facts, loaded runs, and a clock that the test moves."""

    active = True

    def __init__(self) -> None:
        self.now = 0.0
        self.session = 1
        self.away = False
        self.facts: list[Fact] = []
        self.loaded: dict[str, set[int]] = {}
        self.reads: list[tuple[int, int]] = []
        """The place after which each read began, and the number of facts it returned."""
        self.due: list[Callable[[], None]] = []
        self.reader = InboxReader(self, self, self, self._off_loop, self.due.append, lambda: self.now)  # type: ignore[arg-type]

    def add(self, run: str, *seqs: int) -> None:
        self.facts += [Fact(seq, run, FactKind.SIGNAL, "go", 0) for seq in seqs]

    def facts_after(self, session: int, seq: int) -> list[Fact]:
        assert session == self.session
        if self.away:
            raise StoreUnavailableError("away")
        found = [fact for fact in self.facts if fact.seq > seq]
        self.reads.append((seq, len(found)))
        return found

    def driver_of(self, run: str) -> Any:
        if run not in self.loaded:
            return None
        return SimpleNamespace(add_facts=lambda facts: self.loaded[run].update(fact.seq for fact in facts))

    def load(self, run: str) -> None:
        self.loaded[run] = set()
        self.reader.run_loaded(run)

    def _off_loop(self, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        try:
            result = read()
        except StoreUnavailableError as error:
            result = error
        then(result)


def test_new_facts_of_a_long_inbox_cost_few_reads():
    """Between whole reads a read begins near the newest fact; twice a second it begins at the first one."""
    world = World()
    world.load("a")
    world.add("a", *range(1, 10_001))
    world.reader.poll()
    world.add("a", 10_001)
    world.reader.poll()
    assert world.reads == [(0, 10_000), (9_000, 1_001)]
    world.now = 0.5
    world.reader.poll()
    assert world.reads[-1] == (0, 10_001)
    assert len(world.loaded["a"]) == 10_001


def test_fact_that_is_committed_late_is_found():
    """With a number far below the newest one: at the next whole read."""
    world = World()
    world.load("a")
    world.add("a", 5_000)
    world.reader.poll()
    world.add("a", 1)
    world.reader.poll()
    assert world.loaded["a"] == {5_000}
    world.now = 0.5
    world.reader.poll()
    assert world.loaded["a"] == {1, 5_000}


def test_run_that_is_loaded_after_its_facts_were_read_gets_them():
    """Also if later reads began behind them."""
    world = World()
    world.load("a")
    world.add("late", 1)
    world.reader.poll()
    world.add("a", 5_000)
    world.reader.poll()
    world.add("a", 5_001)
    world.reader.poll()
    assert world.reads[-1][0] == 4_000
    world.load("late")
    assert world.loaded["late"] == {1}


def test_failed_whole_read_is_made_again():
    """Not only the facts behind the newest one."""
    world = World()
    world.load("a")
    world.away = True
    world.reader.poll()
    world.away = False
    world.add("a", 1, 5_000)
    (again,) = world.due
    again()
    assert world.reads == [(0, 2)]
    assert world.loaded["a"] == {1, 5_000}
