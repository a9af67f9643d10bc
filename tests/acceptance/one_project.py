"""A project in a folder, used through real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests import warm_command_line
from tests.polling import polls, states_of

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


class NoStoreError(AssertionError):
    """The supervisor has not created the store yet."""


class Project:
    """A project in a folder, called as a person calls it; `store` is where its store is at present."""

    def __init__(self, folder: Path, automations: str, more: str = "") -> None:
        self.folder = folder
        self.effects = folder / "effects"
        self.effects.touch()
        (folder / "work.py").write_text(automations)
        (folder / "mainspring.toml").write_text('[project]\nautomations = ["work.py"]\n' + more)
        self.store = str(folder / "state.db")
        self._up: list[subprocess.Popen[bytes]] = []

    def env(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PYTHONPATH": str(ROOT / "src"),
            "EFFECTS": str(self.effects),
            "MAINSPRING_STORE_URL": self.store,
            "MAINSPRING_EXEC_SPOOL": str(self.folder / "spool"),  # of a server it is the machine's, which others use
            **{name: value for name, value in os.environ.items() if name.startswith("MAINSPRING_SECRET_")},
            **more,
        }

    def call(self, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = warm_command_line.call(words, cwd=self.folder, env=self.env(**env), timeout=TIMEOUT_S)
        if code != 2 and done.returncode == 2 and "there is no store" in done.stderr:
            raise NoStoreError(done.stderr)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.call(*words, "--json", code=code).stdout)

    def start(self, *words: str) -> str:
        return str(self.json("run", *words, "--detach")["run"])

    def up(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"log{len(self._up)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mainspring", *(words or ["up"])],
                cwd=self.folder, env=self.env(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._up.append(process)
        return process

    def until(self, condition: Callable[[], Any], *, timeout_s: float = TIMEOUT_S) -> Any:
        for _ in polls(timeout_s):
            with suppress(NoStoreError):
                if found := condition():
                    return found
        raise AssertionError("it did not come\n" + "\n".join(p.read_text() for p in sorted(self.folder.glob("log*"))))

    def states(self) -> dict[str, str]:
        return states_of(self.store)

    def kill_all(self) -> None:
        """End supervisors and their workers without a word."""
        for process in self._up:
            if process.poll() is None:
                workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
                for pid in (process.pid, *map(int, workers)):
                    os.kill(pid, signal.SIGKILL)
                process.wait()

    def stop(self) -> None:
        """End them in order."""
        for process in self._up:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(TIMEOUT_S)
