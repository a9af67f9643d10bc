"""Stores for the behaviour suite. Another database is one more name in DATABASES."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess, Process, SqliteProcess

Opener = Callable[[FakeClock], Any]
"""Opens one database, always the same one, as one more process would; without a session."""

DATABASES = ("postgres", "sqlite")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=DATABASES)
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Opener]]:
    """Makes an empty database."""
    numbers = itertools.count(1)
    lent: list[str] = []

    def sqlite() -> Opener:
        path = tmp_path / f"{next(numbers)}.db"
        return lambda clock: SqliteProcess(path, clock)

    def postgres() -> Opener:
        lent.append(request.getfixturevalue("lent_stores").lend())
        url = lent[-1]
        return lambda clock: PostgresProcess(url, clock)

    yield sqlite if request.param == "sqlite" else postgres
    for url in lent:
        request.getfixturevalue("lent_stores").take_back(url)


@pytest.fixture
def new_process(new_database: Callable[[], Opener], clock: FakeClock) -> Iterator[Callable[[], Any]]:
    """Opens the same database once more, as another process would; without a session."""
    opened = []
    opener = new_database()

    def make() -> Any:
        process = opener(clock)
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
