"""Lock holders that are stopped beyond their lease: the next one takes over, and no write with an old token is accepted.

The target checks tokens. The stopped holder writes when it wakes, after its successor has written.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from tests.brokers.servers import start_broker
from tests.postgres_server import PostgresServer
from tests.torture import lock_contender

ALL = bool(os.environ.get("TESTS_LONG"))
STOPS = int(os.environ.get("STOPS", "250" if ALL else "2"))
"""Stops for each kind of lock: together 500 in the long version."""
PAIRS = 10 if ALL else 1
SEED = int(os.environ.get("SEED", "1"))
LEASE = "2s"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if ALL else 120)]


class Contender:
    """One process that takes locks."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, lock_contender.__file__, backend],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, text: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End it in order, and its session with it."""
        self.process.send_signal(signal.SIGCONT)
        self.process.communicate(timeout=60)


@pytest.fixture(params=["store", "redis"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a configuration, and the name of the backend."""
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_store()
    with contextlib.closing(make_store(url, clock=SystemClock())) as store:
        store.open()
    text = f'[store]\nurl = "{url}"\n[worker]\nlease = "{LEASE}"\n'
    if request.param == "store":
        (tmp_path / "mainspring.toml").write_text(text)
        yield tmp_path, ""
        return
    valkey = start_broker("valkey")
    address = f"redis://127.0.0.1:{valkey.port}/0"
    (tmp_path / "mainspring.toml").write_text(f'{text}[locks.shared]\nurl = "{address}"\nlease = "{LEASE}"\n')
    yield tmp_path, "shared"
    valkey.remove()


def run_stops(folder: Path, backend: str, pair: int, results: Counter[str]) -> None:
    """Let two processes take turns: the holder is stopped, and the other one takes over."""
    rng = random.Random(f"{SEED} {pair}")
    pause = threading.Event()
    first, second = Contender(folder, backend), Contender(folder, backend)
    try:
        for number in range(pair, STOPS, PAIRS):
            name = str(folder / f"target {pair} {number % 3}")
            first.send(name)
            old = int(first.read())
            pause.wait(rng.choice((0, 0.01, 0.7)))  # before and after the lease was renewed
            first.process.send_signal(signal.SIGSTOP)
            second.send(name)
            new = int(second.read())
            assert new > old
            second.send()
            assert second.read() == "written released"
            first.process.send_signal(signal.SIGCONT)
            first.send()
            results[first.read()] += 1
            first, second = second, first
    finally:
        for contender in (first, second):
            contender.close()


def test_no_write_with_an_old_token_is_accepted(project: tuple[Path, str]) -> None:
    """Each stopped holder learns that it lost the lock."""
    folder, backend = project
    results: Counter[str] = Counter()
    threads = [threading.Thread(target=run_stops, args=(folder, backend, pair, results)) for pair in range(PAIRS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"rejected lost": STOPS}
    for target in folder.glob("target *"):
        tokens = [int(line) for line in target.read_text().splitlines()]
        assert tokens == sorted(tokens)
