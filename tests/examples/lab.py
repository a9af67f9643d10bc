"""A place in which an example is run as its reader would run it: by the command line, in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import warm_command_line

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TIMEOUT_S = 60


class Lab:
    """A folder with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_UP_ROLES": "worker,scheduler",
            "MAINSPRING_STORE_URL": str(folder / "state" / "store.db"),
        }
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a Python program: `-m mainspring ...`, or an example."""
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def call(self, *words: str, code: int = 0) -> str:
        """Make one call of the command line and return what it printed."""
        done = warm_command_line.call(words, cwd=self.folder, env=self.env, timeout=TIMEOUT_S)
        assert done.returncode == code, done.stdout + done.stderr
        return str(done.stdout)

    def run(self, example: str, name: str, *arguments: str, code: int = 0) -> Any:
        """Run an example's workflow to its end and return its result."""
        out = self.call("run", name, "-m", str(EXAMPLES / example), *arguments, "--json", code=code)
        return json.loads(out)["result"] if code == 0 else None

    def begin(self, example: str, name: str, *arguments: str) -> "subprocess.Popen[str]":
        """Begin to run it, and do not wait."""
        return self.start("-m", "mainspring", "run", name, "-m", str(EXAMPLES / example), *arguments)

    def show(self, run: str = "@last") -> dict[str, Any]:
        """Return all that `runs show` knows of a run."""
        details: dict[str, Any] = json.loads(self.call("runs", "show", run, "--json"))
        return details

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.communicate()


def await_that(holds: Callable[[], object], description: str) -> None:
    """Look until it holds: it is another process that makes it so."""
    until = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < until, f"this never came: {description}"
        time.sleep(0.005)
