"""Histories of claimed runs: read in bulk, given out in order, one bad one harming no one else."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mainspring.domain.errors import StoreUnavailableError
from mainspring.engine.worker.history_reader import HistoryReader


class World:
    """Reads that are answered when the test says so."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
        self.bad: set[str] = set()
        self.away = False
        self.requests: list[int] = []
        self.given: list[tuple[str, Any]] = []
        self.due: list[Callable[[], None]] = []
        self.reader = HistoryReader(self, self._off_loop, self.due.append, self._take)  # type: ignore[arg-type]

    def histories(self, runs: list[str]) -> list[str]:
        self.requests.append(len(runs))
        if self.away:
            raise StoreUnavailableError("away")
        if self.bad.intersection(runs):
            raise ValueError("unreadable")
        return [f"history of {run}" for run in runs[: self.most]]

    def _off_loop(self, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def later() -> None:
            try:
                result = read()
            except Exception as error:
                result = error
            then(result)

        self.due.append(later)

    def _take(self, run: Any, history: Any) -> None:
        self.given.append((run.id, history))

    def read(self, *names: str) -> None:
        for name in names:
            self.reader.read(SimpleNamespace(id=name))  # type: ignore[arg-type]

    def settle(self) -> None:
        while self.due:
            self.due.pop(0)()


def names(count: int) -> list[str]:
    return [f"r{n}" for n in range(count)]


def test_many_runs_are_read_with_few_reads_in_their_order():
    """A thousand runs: each gets its history, in the order of the claims, with a hundredth of the reads."""
    world = World()
    world.read(*names(1_000))
    assert world.reader.count == 1_000
    world.settle()
    assert world.given == [(name, f"history of {name}") for name in names(1_000)]
    assert world.reader.count == 0
    assert len(world.requests) < 20


def test_history_over_the_limit_is_read_next():
    """A read that ends early is followed by one of the rest; the order stays."""
    world = World(most=3)
    world.read(*names(20))
    world.settle()
    assert [run for run, _ in world.given] == names(20)


def test_unreadable_history_keeps_only_its_own_run():
    """Those read together with a bad one are read by themselves; only the bad one gets the error."""
    world = World()
    world.bad = {"r4"}
    world.read(*names(10))
    world.settle()
    assert sorted(run for run, _ in world.given) == sorted(names(10))
    assert [run for run, history in world.given if isinstance(history, Exception)] == ["r4"]
    assert world.reader.count == 0


def test_runs_wait_until_the_store_is_back():
    """While it is away no one is given anything, and everyone still counts."""
    world = World()
    world.away = True
    world.read(*names(5))
    for _ in range(10):
        world.due.pop(0)()
    assert (world.given, world.reader.count) == ([], 5)
    world.away = False
    world.settle()
    assert [run for run, _ in world.given] == names(5)


def test_closed_reader_gives_nothing():
    """A worker that stopped loads no run of a read that comes home late."""
    world = World()
    world.read(*names(5))
    world.reader.close()
    world.settle()
    assert world.given == []
