"""The kill of a flag reaches all processes: four programs on one store, killed by the real command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.new_stores import create_store

PROCESSES = 4
PROGRAM = """
import time
import mainspring as ms

last = None
while True:
    value = ms.flag("mailer", by="ann")
    if value is not last:
        last = value
        print(value, flush=True)
    time.sleep(0.005)
"""


class Fleet:
    """Four programs that print each change of the flag."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._env = folder, {**os.environ, "MAINSPRING_STORE_URL": url}
        self.command("set", "mailer", "--share", "100%")
        self._programs = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM], env=self._env, cwd=folder, stdout=subprocess.PIPE, text=True
            )
            for _ in range(PROCESSES)
        ]

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mainspring", "flags", *words],
            env=self._env, cwd=self._folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def next_values(self) -> list[str]:
        """Return the next value that each program prints."""
        return [program.stdout.readline().strip() for program in self._programs if program.stdout is not None]

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.communicate()


@pytest.fixture(params=["sqlite", "postgres"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    url = str(tmp_path / "state.db") if request.param == "sqlite" else str(request.getfixturevalue("lent_store"))
    create_store(url)
    found = Fleet(tmp_path, url)
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_kill_of_a_flag_reaches_all_processes(fleet: Fleet) -> None:
    """Each kill, and each end of it, in one file and on a server. How long it takes: `python -m bench flags`."""
    assert fleet.next_values() == ["True"] * PROCESSES
    for _ in range(3):
        assert "all keys get the side off" in fleet.command("kill", "mailer")
        assert fleet.next_values() == ["False"] * PROCESSES
        fleet.command("set", "mailer", "--resume")
        assert fleet.next_values() == ["True"] * PROCESSES
