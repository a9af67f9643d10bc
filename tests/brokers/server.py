"""A real broker as a process of the tests: started, killed and started again on the same data and port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

import msgspec

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.engine.attempts.processes.process_lifetime import set_death_signal
from tests.free_port import free_port

PASSWORD = "p@s/s:w%r{d}"
STARTS_WITHIN_S = 60


class Sent(msgspec.Struct):
    """A message to be sent as another program would. `at` = the date that its sender states, where the broker itself notes none."""

    key: str
    body: bytes
    headers: dict[str, str] = {}
    at: datetime | None = None


class BrokerServer:
    """What the suite does with any broker. Subclasses say how it is started, and how its queues are made and counted."""

    name = ""
    password = PASSWORD

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"mainspring-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C"}

    def start(self) -> "BrokerServer":
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=end_with_us,  # noqa: PLW1509 - it only asks the kernel
            )
        until = time.monotonic() + STARTS_WITHIN_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.02)
        return self

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_name(self) -> str:
        self._made += 1
        return f"q{os.getpid()}_{self._made}"

    async def new_queue(self, *, ordered: bool = False) -> str:
        """Make an empty queue and return its address; an `ordered` one keeps the order of what it holds, where there are two kinds."""
        raise NotImplementedError

    async def with_user(self, url: str) -> str:
        """Return the address as a user reaches it whose `password` is the secret BROKER."""
        raise NotImplementedError

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        """Send as a foreign program does, with a header `x-odd` that is no UTF-8 where the protocol can carry one."""
        raise NotImplementedError

    async def delete(self, queue: BrokerQueue) -> None:
        """Delete the queue under anyone who reads it."""
        raise NotImplementedError

    async def left(self, queue: BrokerQueue, group: str) -> int:
        """Return how many messages are not done with, while no one reads."""
        raise NotImplementedError

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        """Return how many messages lie where those are put that were set aside; None where there is no such place."""
        raise NotImplementedError


def end_with_us() -> None:
    """Have a process end when the tests that started it are killed."""
    set_death_signal(signal.SIGKILL)
