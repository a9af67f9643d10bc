"""A project whose webhook listener, scheduler and worker are processes that may be killed, and what its automations did."""

import os
import signal
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

from mainspring.domain.clock import SystemClock
from mainspring.store.sqlite.store import SqliteStore
from tests.acceptance.one_project import Project
from tests.free_port import free_port

SECRET = "torture-torture-torture"
WORK = """
import os, sqlite3
import mainspring as ms

@ms.on.webhook("/orders", verify=ms.verify.hmac("TORTURE", header="X-Signature"))
@ms.task
def order(number: int) -> int:
    with sqlite3.connect(os.environ["EFFECTS"], timeout=30) as effects:
        effects.execute("insert or ignore into effects values (?, ?)", (ms.idempotency_key(), number))
    return number
"""


class Site:
    """`MAINSPRING_SECRET_TORTURE` is to be SECRET in the environment."""

    def __init__(self, folder: Path, work: str = WORK) -> None:
        self.hooks, web = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        more = f'[web]\nbind = "{web}"\n[hooks]\nbind = "{self.hooks}"\n'
        self.project = Project(folder, work, more)
        self.project.effects.unlink()
        with closing(sqlite3.connect(self.project.effects)) as effects:
            effects.execute("create table effects (key text primary key, number int)")
        self.store = SqliteStore(Path(self.project.store), clock=SystemClock())
        self._killed: set[int] = set()
        self.project.up("up")
        try:
            self.project.until(lambda: Path(self.project.store).exists())
            self.store.open()
            self.project.until(lambda: self.rows("select 1 from triggers"))
            self.project.until(self.answers)
        except BaseException:
            self.close()
            raise

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.hooks}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def rows(self, text: str, *values: object) -> list[tuple[object, ...]]:
        return list(self.store.reader.read_text(text, values))

    def kill(self, role: str) -> None:
        """End a process of this role without a word, once there is one that was not killed before; its supervisor starts another one."""
        pid = self.project.until(lambda: next(iter(self._pids(role) - self._killed), None))
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    def _pids(self, role: str) -> set[int]:
        return {
            int(str(pid)) for (pid,) in self.rows("select pid from sessions where state = 'alive' and role = ?", role)
        }

    def close(self) -> None:
        self.store.close()
        self.project.stop()
