"""A supervisor with its processes, as `mainspring up` starts them, seen from outside.

python -m tests.crash.supervised CONFIG        # runs until SIGTERM
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mainspring.app.processes.launch_spec import LaunchSpec
from mainspring.app.processes.supervisor import Supervisor
from mainspring.app.project import Project
from mainspring.engine.definitions.registry import Registry
from tests.crash.clients import Client
from tests.crash.effects import EXPERIMENT, HOLD, LIFE, ROOT, SOCKET
from tests.crash.experiments import World
from tests.polling import polls

LOAD = ROOT / "tests" / "crash" / "load.py"
_FOLDER = "CRASH_FOLDER"
_CONFIG = """
[project]
automations = ["{load}"]
[store]
url = "{store}"
[worker]
concurrency = {concurrency}
threads = 96
processes = 2
drain = "2s"
[exec]
spool = "{folder}/spool"
[worker.queues]
default = {{}}
one = 1
"""


class Supervised:
    """One store, and the supervisors that were started on it, one after the other."""

    def __init__(self, world: World, *, concurrency: int = 64) -> None:
        self._world = world
        self.folder = folder = world.fresh()
        self.effects = effects = world.effects
        url = world.urls[folder.name]
        self.name = folder.name
        self._mark = effects.mark()
        self._config = folder / "mainspring.toml"
        self._config.write_text(_CONFIG.format(load=LOAD, store=url, concurrency=concurrency, folder=folder))
        self.client = Client(url, Registry.load([LOAD]))
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._starts = 0

    # -- processes -----------------------------------------------------------------------------------------------------

    def start(self, *, hold: str = "") -> None:
        """Start a supervisor."""
        self._starts += 1
        env = {
            **os.environ,
            "MAINSPRING_UP_ROLES": "worker",
            SOCKET: self.effects.path,
            EXPERIMENT: self.name,
            LIFE: str(self._starts),
            HOLD: hold,
        }
        with (self.folder / "log").open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.supervised", str(self._config)],
                cwd=ROOT,
                env={**env, _FOLDER: str(self.folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> int:
        """End it in order; return its exit code."""
        assert self._supervisor is not None
        self._supervisor.terminate()
        return self._supervisor.wait(30)

    @property
    def supervisor(self) -> int:
        """Its pid."""
        assert self._supervisor is not None
        return self._supervisor.pid

    @property
    def is_running(self) -> bool:
        """Whether the supervisor has not ended."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def workers(self, role: str = "worker") -> list[int]:
        """Return the pids of live workers."""
        found = self.client.rows("select pid from sessions where role = ? and state = 'alive'", role)
        return [pid for (pid,) in found if pid in self.processes()]

    def processes(self) -> list[int]:
        """Return every process that carries this experiment's mark in its environment and has not ended."""
        mark = f"{_FOLDER}={self.folder}".encode()  # test processes beside this one number their experiments alike
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    def kill(self, *pids: int) -> None:
        """Kill processes, in this order, and reap the supervisor if it is among them."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._supervisor is not None and self._supervisor.pid in pids:
            self._supervisor.wait(60)

    def kill_all(self) -> None:
        """Kill the supervisor, then everything else of it."""
        self.kill(*sorted(self.processes(), key=lambda pid: pid != self.supervisor))

    # -- facts ---------------------------------------------------------------------------------------------------------

    def until(self, holds: Callable[[], object], within: float = 60.0) -> None:
        """Look until it holds."""
        if not any(holds() for _ in polls(within, pause_s=0.005)):
            raise AssertionError(f"it does not come to that in {within} s\n{self.describe()}")

    def until_called(self, count: int) -> None:
        """Wait until the world has seen so many calls, or all runs have ended."""
        self.until(lambda: self.called() >= count or not self.unfinished())

    def wait_until_ended(self, pid: int) -> None:
        """Wait until a process has ended."""
        self.until(lambda: pid not in self.processes())

    def called(self) -> int:
        """Return how many calls the world has seen."""
        return len(self.calls())

    def calls(self) -> list[str]:
        """Return what the world was asked for, in order."""
        return [call.what for call in self.effects.calls(self._mark, self.name)]

    def doubled(self) -> list[str]:
        """Return the keyed effects that happened more than once, or under two keys."""
        applied: dict[str, set[str]] = {}
        twice = []
        for call in self.effects.calls(self._mark, self.name):
            keys = applied.setdefault(call.what, set())
            keys.add(call.key)
            if call.kind == "keyed" and len(keys) > 1:
                twice.append(call.what)
        return twice

    def states(self) -> dict[tuple[str, str], int]:
        """Return how many runs of each automation stand in each state."""
        rows = self.client.rows("select automation, state, count(*) from runs group by 1, 2")
        return {(automation, state): count for automation, state, count in rows}

    def unfinished(self) -> int:
        """Return how many runs have not ended and need no one."""
        text = "select count(*) from runs where finished_at is null and state <> 'needs_attention'"
        return int(self.client.rows(text)[0][0])

    def describe(self) -> str:
        """Return what is needed to understand a failure."""
        runs = self.client.rows(
            "select automation, state, reason, crashes, probation, count(*) from runs group by 1, 2, 3, 4, 5"
        )
        sessions = self.client.rows("select id, role, state, pid, freed from sessions")
        log = (self.folder / "log").read_text(errors="replace")[-6_000:]
        return f"{runs}\n{sessions}\n{self.processes()}\n{log}"

    def close(self) -> None:
        """Leave nothing behind."""
        if self._supervisor is not None and self._supervisor.poll() is None:
            self.kill_all()
        self.kill(*self.processes())
        self.client.close()
        self._world.drop(self.folder)


def main(config: str) -> int:
    """Be the supervisor."""
    supervisor = Supervisor(Project.find(config=Path(config)), LaunchSpec({}, config, ()))
    signal.signal(signal.SIGTERM, lambda _number, _frame: supervisor.stop())
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
