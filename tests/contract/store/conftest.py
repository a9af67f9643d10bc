"""Stores for the behaviour suite. Another database is one more name in DATABASES."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.store.clock import FakeClock
from tests.contract.store.process import Process, SqliteProcess

DATABASES: dict[str, Callable[[Path, FakeClock], Any]] = {
    "sqlite": lambda folder, clock: SqliteProcess(folder / "state.db", clock)
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=sorted(DATABASES))
def new_process(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Callable[[], Any]]:
    """Opens the same database once more, as another process would; without a session."""
    opened = []

    def make() -> Any:
        process = DATABASES[request.param](tmp_path, clock)
        opened.append(process)
        return process

    yield make
    for process in opened:
        process.close()


@pytest.fixture
def store(new_process: Callable[[], Any]) -> Any:
    """A worker that announced automations a and b."""
    process: Process = new_process().open()
    process.announce("a", "b")
    return process


@pytest.fixture
def second(store: Any, new_process: Callable[[], Any]) -> Any:
    """Another worker with the same code on the same database."""
    process: Process = new_process().open()
    process.announce("a", "b")
    return process
