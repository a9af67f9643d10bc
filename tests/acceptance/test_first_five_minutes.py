"""The first five minutes of a newcomer, line by line, with the built wheel in a new environment and nothing of this checkout."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import polls

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 90
AT_ONCE = 15
"""Seconds; the goal is 2, and a loaded machine is slower."""


class Newcomer:
    """A person with a new environment and an empty folder."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.program = environment / "bin" / "mainspring"
        self.env = {"PATH": f"{self.program.parent}:{os.environ['PATH']}", "HOME": str(folder)}
        self._background: list[subprocess.Popen[str]] = []

    def types(self, *words: str, code: int = 0) -> str:
        """Type a command and return what it printed on stdout."""
        done = subprocess.run(
            [self.program, *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Type a command that stays, in another terminal."""
        with (self.folder / "other-terminal.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [self.program, *words],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        self._background.append(process)
        return process

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Return the runs of an automation, newest first."""
        listed: list[dict[str, Any]] = json.loads(self.types("runs", "list", "--name", name, "--json"))
        return listed

    def leaves(self) -> None:
        """Close the terminals."""
        for process in self._background:
            process.terminate()
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def newcomer(tmp_path: Path, built_environment: Path) -> Iterator[Newcomer]:
    made = Newcomer(tmp_path, built_environment)
    yield made
    made.leaves()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_first_five_minutes_work_as_documented(newcomer: Newcomer) -> None:
    """init, dev, add script, run --watch, crash --after: each line does what it promises, in this order, with nothing else typed."""
    assert newcomer.types("version").strip().endswith("0.1.0")
    newcomer.types("init", "demo")
    newcomer.folder /= "demo"
    for path in ("mainspring.toml", ".gitignore", "tests"):
        assert (newcomer.folder / path).exists(), path
    assert list((newcomer.folder / "automations").glob("*.py"))

    dev = newcomer.start("dev")
    _await_worker(newcomer)
    _add_backup(newcomer, "1m")

    newcomer.types("run", "order-demo", "--watch")
    (first,) = newcomer.runs("order-demo")
    assert (first["state"], first["steps"]) == ("succeeded", 4)

    output = newcomer.types("crash", "--after", "charge", "order-demo")
    assert "resumed at step 3/4 (send_receipt)" in output
    assert "charge ran once" in output
    assert [run["state"] for run in newcomer.runs("order-demo")] == ["succeeded", "succeeded"]

    _await_backup(newcomer, TIMEOUT_S)
    assert (newcomer.folder / "backed-up").exists()
    dev.send_signal(signal.SIGINT)
    assert dev.wait(TIMEOUT_S) == 0


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_added_script_runs_at_once(newcomer: Newcomer) -> None:
    """Anyone who adds a script sees its first run right away, not only at its next due time."""
    newcomer.types("init", "demo")
    newcomer.folder /= "demo"
    newcomer.start("dev")
    _await_worker(newcomer)
    _add_backup(newcomer, "12h")
    _await_backup(newcomer, AT_ONCE)
    assert [run["state"] for run in newcomer.runs("backup")] == ["succeeded"]
    assert (newcomer.folder / "backed-up").exists()


def _add_backup(newcomer: Newcomer, every: str) -> None:
    backup = newcomer.folder / "backup.sh"
    backup.write_text("#!/bin/sh\ndate > backed-up\n", encoding="utf-8")
    backup.chmod(0o755)
    newcomer.types("add", "script", "backup", "--every", every, "--", "./backup.sh")


def _await_backup(newcomer: Newcomer, within: float) -> None:
    is_run = any(run["state"] == "succeeded" for _ in polls(within) for run in newcomer.runs("backup"))
    assert is_run, (newcomer.folder / "other-terminal.log").read_text(encoding="utf-8")


def _await_worker(newcomer: Newcomer) -> None:
    listed = (json.loads(newcomer.types("workers", "list", "--json")) for _ in polls(TIMEOUT_S))
    is_worker_up = any(worker["role"] == "worker" for workers in listed for worker in workers)
    assert is_worker_up, (newcomer.folder / "other-terminal.log").read_text(encoding="utf-8")
