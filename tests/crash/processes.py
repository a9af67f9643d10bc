"""The template of the lives, and each life, as a test sees them: started, watched through pidfd, stopped, killed."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tests.crash.effects import ROOT
from tests.crash.lives import LETTERS, Life


class Process:
    """One life as its test sees it."""

    def __init__(self, template: "Template", pid: int, life: Life) -> None:
        self._template = template
        self._descriptor = os.pidfd_open(pid)
        self.pid = pid
        self.life = life
        self.code: int | None = None

    def ended(self, within: float = 0.0) -> bool:
        """Tell whether the process has ended, waiting so many seconds for it; then `code` is known (negative = signal)."""
        if self.code is not None:
            return True
        if not select.select([self._descriptor], [], [], within)[0]:
            return False
        self.code = int(self._template.request({"reap": self.pid})["status"])
        os.close(self._descriptor)
        return True

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        if not self.ended():
            self.send(signal.SIGKILL)
            assert self.ended(10)

    def passed(self, place: str = "commit.after") -> int:
        """Return how often it has passed a place; by default, how many commits it has finished."""
        try:
            return self.life.hits.read_bytes().count(LETTERS[place])
        except FileNotFoundError:
            return 0

    def written(self) -> list[list[str]]:
        """Return what each group changes that it has taken to the store, the last one maybe in vain."""
        try:
            return [json.loads(line) for line in self.life.groups.read_bytes().splitlines()]
        except FileNotFoundError:
            return []

    def stopped(self, within: float = 5.0) -> bool:
        """Tell whether it is stuck (SIGSTOP), each thread of it, waiting so many seconds for it; False also if it has ended."""
        until = time.monotonic() + within
        while (states := self._states()) != {"T"}:
            if states & {"Z", "X"} or time.monotonic() > until:
                return False
            time.sleep(0.0002)
        return True

    def describe(self) -> str:
        """Let it write to its log where it stands, in each thread; return their states."""
        self.send(signal.SIGUSR2)
        time.sleep(0.5)
        return ", ".join(sorted(self._states()))

    def _states(self) -> set[str]:
        """Return the states of its threads. The first one may be stuck while another one is still to come to it."""
        found = set()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                found.add((task / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0])
        return found


class Template:
    """The warm process from which lives are forked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.lives"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the template for something."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def start(self, life: Life) -> Process:
        """Start a life."""
        return Process(self, int(self.request(msgspec.to_builtins(life))["pid"]), life)

    def close(self) -> None:
        """End the template, and with it whatever still lives."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(10)
        self._process.stdin.close()
        self._process.stdout.close()
