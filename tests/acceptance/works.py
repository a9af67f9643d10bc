"""`mainspring up` on a folder with one automation file, seen from outside."""

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.wrapping import Place
from tests.polling import polls

CONFIG = """
[project]
automations = ["a.py"]
[worker]
drain = "1s"
stall_limit = "{stall_limit}"
"""


class Works:
    """A folder with one automation file, and `mainspring up` on it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.folder / "log"

    def up(self, code: str, *, stall_limit: str = "5m") -> None:
        """Start a supervisor."""
        (self.place.folder / "a.py").write_text(code)
        (self.place.folder / "mainspring.toml").write_text(CONFIG.format(stall_limit=stall_limit))
        self.up_again()
        self.until(self.workers, "no worker came")

    def up_again(self) -> None:
        """Start a supervisor on what is there."""
        with self.log.open("ab") as log:
            self.supervisor = self.place.start("up", stderr=log)

    def start(self, name: str) -> str:
        """Start a run whose end no one waits for."""
        done = self.place.call("run", name, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["run"])

    def state(self, run: str) -> str:
        """Return the state of a run, with its reason."""
        ((state, reason),) = self.place.rows("select state, reason from runs where id = ?", run)
        return state if reason is None else f"{state} {reason}"

    def workers(self) -> list[int]:
        """Return the processes of this store's workers that live."""
        with contextlib.suppress(Exception):
            rows = self.place.rows("select pid from sessions where state = 'alive' and role in ('worker', 'probation')")
            return [pid for (pid,) in rows if is_alive(pid)]
        return []

    def has(self, name: str) -> Callable[[], bool]:
        """Return what tells whether the code has left a mark of this name."""
        return (self.place.folder / name).exists

    def until(self, fact: Callable[[], object], description: str, within: float = 60.0) -> None:
        """Look until it holds."""
        assert any(fact() for _ in polls(within)), f"{description}\n{self.log.read_text()[-4_000:]}"

    def until_state(self, run: str, state: str, name: str) -> None:
        """Wait until a run, called `name` for people, is in a state."""
        self.until(lambda: self.state(run) == state, f"{name} is never {state}")

    def close(self) -> None:
        """Leave no process of this folder behind."""
        self.place.close()
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between the opening and the reading
        return False
