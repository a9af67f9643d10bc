"""Machines that work on one store on a server, each with its own process numbers and its own folders.

A machine here is a namespace of processes and mounts: no other one sees its lock files or can kill what runs there, so that only the lease
tells of its end. Killing its first process ends all of it at once, as a power cut does.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests import warm_command_line
from tests.polling import polls

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
_LOG_BYTES = 4_000
"""So much of each log stands in an error."""
MARK = "TEST_MACHINE"
_APART = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
_OWN_FOLDERS = 'mount -t tmpfs none /var/lib && exec "$@"'


def may_be_made() -> bool:
    """Tell whether this process may make such machines."""
    found = shutil.which("unshare")
    return found is not None and not subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode


class Machine:
    """One `mainspring up` in namespaces of its own."""

    def __init__(self, fleet: "Fleet", name: str, failpoint: str, inside: Sequence[str], more: dict[str, str]) -> None:
        number = len(fleet.machines)  # one that comes in the place of another has its name, but is not taken for it
        self.name = f"{name}-{fleet.schema}-{number}"
        self.log = fleet.folder / f"log-{number}-{name}"
        env = {**fleet.env, MARK: self.name, **({"MAINSPRING_FAILPOINT": failpoint} if failpoint else {}), **more}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*inside, *_APART, "sh", "-c", _OWN_FOLDERS, "sh", sys.executable, "-m", "mainspring", "up"],
                cwd=fleet.folder, env=env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def processes(self, word: str = "") -> list[int]:
        """Return its processes that have not ended and whose command line has this word."""
        found, mark = [], f"{MARK}={self.name}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                has_mark = mark in (folder / "environ").read_bytes().split(b"\0")
                if has_mark and word.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def worker(self) -> int:
        """Return the process of its worker."""
        (found,) = self.processes("worker_process")
        return found

    def first(self) -> int:
        """Return its supervisor: the first process of its namespace. The others of that name made the machine, with any number."""
        found = []
        for pid in self.processes("mainspring\0up"):
            with contextlib.suppress(OSError):
                (numbers,) = [
                    line.split()[1:]
                    for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if line.startswith("NSpid")
                ]
                found += [pid] if len(numbers) > 1 and numbers[-1] == "1" else []
        (supervisor,) = found
        return supervisor

    def lose(self) -> None:
        """Take the power away."""
        self._process.kill()
        self._process.wait()

    def send(self, number: int) -> None:
        """Send a signal to each of its processes."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Fleet:
    """A project, its store on a server, and the machines that work on it: `code` is its work.py, `config` its mainspring.toml."""

    def __init__(self, folder: Path, url: str, *, code: str, config: str) -> None:
        self.folder = folder
        self.effects, self.blocker_file = folder / "effects", folder / "blocker_file"
        self.effects.touch()
        (folder / "work.py").write_text(code)
        (folder / "mainspring.toml").write_text(config)
        address, _, self.schema = url.partition("?schema=")
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_STORE_URL": url,
            "MAINSPRING_EXEC_SPOOL": str(folder / "spool"),
            "MAINSPRING_UP_ROLES": "worker,scheduler",
            "EFFECTS": str(self.effects),
            "GATE": str(self.blocker_file),
        }
        self._address = address
        self.database = self._connect()
        self.machines: list[Machine] = []

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self._address, autocommit=True, options=f"-c search_path={self.schema}")

    def reconnect(self) -> None:
        """Look at the store over a new connection: the server was away."""
        self.database.close()
        self.database = self._connect()

    def up(self, name: str, failpoint: str = "", *, inside: Sequence[str] = (), **more: str) -> Machine:
        """Switch a machine on, and wait until its worker is at work, or stopped on the way.

        `inside`: words before its command that put it somewhere; `more`: what stands in its environment besides.
        """
        machine = Machine(self, name, failpoint, inside, more)
        self.machines.append(machine)
        self.until(lambda: machine.processes("worker_process"))
        return machine

    def rows(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the store, as no one of the fleet."""
        return self.database.execute(text, values).fetchall()

    def call(self, *words: str) -> str:
        """Run a command on a machine that does not work; return what it prints."""
        done = self.tried(*words)
        assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine that does not work, however it ends."""
        return warm_command_line.call(words, cwd=self.folder, env=self.env, timeout=TIMEOUT_S)

    def script(self, code: str, *words: str) -> None:
        """Run a program of a machine that does not work."""
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.folder, env=self.env, capture_output=True, check=False, timeout=TIMEOUT_S, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self, machine: Machine) -> None:
        """Switch a machine off as one does it: its supervisor is asked to end, and drains first."""
        os.kill(machine.first(), signal.SIGTERM)
        self.until(lambda: not machine.processes())

    def start(self, count: int) -> None:
        """Start so many runs from a machine that does not work."""
        for number in range(count):
            self.call("run", "order", f"number={number}", "--detach")

    def until(self, holds: Callable[[], Any], within: float = TIMEOUT_S) -> Any:
        """Look until it holds."""
        for _ in polls(within):
            if found := holds():
                return found
        logs = "\n".join(f"{machine.name}\n{machine.log.read_text()[-_LOG_BYTES:]}" for machine in self.machines)
        sessions = self.rows("select id, role, state, pid, beat_at, ended_at from sessions order by id")
        columns = "id, automation, state, reason, session, ready, due_at, claim, clock_steps"
        runs = self.rows(f"select {columns} from runs where finished_at is null order by seq limit 20")
        raise AssertionError(f"it does not come to that\n{sessions}\n{runs}\n{self.noted()[-20:]}\n{logs}")

    def noted(self) -> list[tuple[str, str, str]]:
        """Return machine, key and text of each effect."""
        lines = (line.split(" ", 2) for line in self.effects.read_text().splitlines())
        return [(machine.partition("-")[0], key, text) for machine, key, text in lines]

    def doubled(self) -> list[str]:
        """Return the effects that happened under more than one key."""
        keys = Counter(text for text, _ in {(text, key) for _, key, text in self.noted()})
        return [text for text, count in keys.items() if count > 1]

    def have_succeeded(self, count: int) -> bool:
        """Tell whether so many runs have succeeded."""
        return self.rows("select count(*) from runs where state = 'succeeded'") == [(count,)]

    def close(self) -> None:
        """Leave nothing behind."""
        for machine in self.machines:
            machine.send(signal.SIGCONT)
            machine.lose()
        self.database.close()
