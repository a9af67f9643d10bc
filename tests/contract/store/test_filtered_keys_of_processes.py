"""Keys of triggers with a filter, decided by two real processes at once."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from mainspring.store.read import triggers
from tests.contract.store.clock import FakeClock
from tests.contract.store.deliveries import HOOK, announced, hook
from tests.contract.store.process import PostgresProcess, SqliteProcess

ROOT = Path(__file__).resolve().parents[3]
ROUNDS, KEYS = 12, 4


class DecidingProcess:
    """One of the two, told by lines what to do."""

    def __init__(self, kind: str, place: str, number: int) -> None:
        words = [sys.executable, "-m", "tests.contract.store.deciding_process", kind, place, str(number)]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[str] = self._process.stdin
        self._output: IO[str] = self._process.stdout

    def send(self, line: str) -> None:
        self._input.write(f"{line}\n")
        self._input.flush()

    def read(self) -> str:
        return self._output.readline().strip()

    def close(self) -> None:
        self._input.close()
        self._process.wait(30)
        self._output.close()


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, list[DecidingProcess]]]:
    """A store whose automation a has a filtered webhook, and two processes that decide what arrives."""
    is_sqlite = request.param == "sqlite"
    place = str(tmp_path / "state.db") if is_sqlite else request.getfixturevalue("lent_stores").lend()
    store: Any = SqliteProcess(Path(place), FakeClock()) if is_sqlite else PostgresProcess(place, FakeClock())
    store.open()
    store.do(announced(hook()))
    processes = [DecidingProcess(request.param, place, number) for number in (1, 2)]
    yield store, processes
    for process in processes:
        process.close()
    store.close()
    if not is_sqlite:
        request.getfixturevalue("lent_stores").take_back(place)


@pytest.mark.timeout(120)
def test_of_two_processes_that_decide_one_key_at_once_exactly_one_holds_it(
    site: tuple[Any, list[DecidingProcess]],
) -> None:
    """The other delivery is rejected and names the holder; each key has exactly one run, and no delivery is lost or left undecided."""
    store, processes = site
    assert [process.read() for process in processes] == ["ready", "ready"]
    runs: list[str] = []
    for number in range(ROUNDS):
        keys = [f"build-{number}-{key}" for key in range(KEYS)]
        for process, order in zip(processes, (keys, keys[::-1]), strict=True):
            process.send(json.dumps(order))
        assert [process.read() for process in processes] == ["taken in", "taken in"]
        for process in processes:
            process.send("decide")
        answers = [{answer["key"]: answer for answer in json.loads(process.read())} for process in processes]
        for key in keys:
            pair = [answer[key] for answer in answers]
            assert sorted(answer["state"] for answer in pair) == ["refused", "started"], pair
            (holder,) = [at for at, answer in enumerate(pair, start=1) if answer["state"] == "started"]
            (rejected,) = [answer for answer in pair if answer["state"] == "refused"]
            assert f"d_{key}_{holder}" in rejected["note"]
            runs.append(pair[holder - 1]["run"])
    assert sorted(run.id for run in store.list_runs(limit=1000).runs) == sorted(runs)
    found = triggers.deliveries(store.reader, trigger=HOOK, limit=1000).deliveries
    assert Counter(delivery.state.value for delivery in found) == {"started": ROUNDS * KEYS, "refused": ROUNDS * KEYS}
