"""Folder watchers that are killed: each life is forked from a warm template and works at a folder, with a store that is a file.

    python -m tests.crash.watcher_lives        # the template: one JSON request a line on stdin, one answer a line on stdout

A life counts what it is about to do to the disk (`os` calls, by their audit events) and the named places that it passes; at the number
that it was given it is ended by SIGKILL. It looks until nothing is left to do.
"""

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from mainspring.domain.states import RunState
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.values.file import File
from mainspring.store import failpoints
from mainspring.testing.clock import FakeClock
from mainspring.triggers.files.folder_watcher import FolderWatcher

TRIGGER = "in/files"
CHANGES = frozenset({"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod"})
_POLLS = 6


class WatcherLife(msgspec.Struct, kw_only=True):
    """What one life is to do; `kill_at` = the number of the change or place before which it is killed, 0 = never."""

    files: WatchedFolder
    store: str
    kill_at: int = 0
    has_links: bool = True


class FileStore:
    """Keys and what they were released, one line each, on the disk before it is answered. A run ends at once, as its file says."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.operations = (
            [json.loads(line) for line in self._path.read_bytes().splitlines()] if self._path.exists() else []
        )

    def known(self) -> dict[str, str]:
        """Return key -> content hash of what counts."""
        known: dict[str, str] = {}
        for act, key in self.operations:
            known = {**known, key: key[-64:]} if act == "run" else {k: v for k, v in known.items() if k != key}
        return known

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        if delivery.key not in self.known():
            file = msgspec.json.decode(delivery.json, type=File)
            assert file.sha256 == delivery.key[-64:]
            self._write("run", delivery.key)
        return "taken in"

    async def ended(self, trigger: str, keys: Sequence[str]) -> dict[str, RunState]:
        known = self.known()
        return {key: state_of(key) for key in keys if key in known}

    async def forget(self, trigger: str, key: str) -> None:
        if key in self.known():
            self._write("forget", key)

    def _write(self, act: str, key: str) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps([act, key]).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.operations.append([act, key])


def state_of(key: str) -> RunState:
    """Return how the run of a key ends: it is in the name."""
    return RunState.FAILED if "bad" in key else RunState.SUCCEEDED


class Count:
    """Counts what is passed, and kills."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at = kill_at
        self.passed: list[str] = []

    def take(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES:
            self.take(event)
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            self.take("open to write")


async def live(life: WatcherLife) -> None:
    """Look until nothing is left to do."""
    clock, store = FakeClock(), FileStore(life.store)
    consumer = FolderWatcher(TRIGGER, life.files, store, store, lambda _: None, clock)
    for _ in range(_POLLS):
        await consumer.poll()
        clock.advance(timedelta(seconds=90))
    assert consumer.state.reason is None, consumer.state.reason
    consumer.close()


def _no_link(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def _be(life: WatcherLife) -> None:
    """Live in this process, and tell what was passed."""
    count = Count(life.kill_at)
    if not life.has_links:
        os.link = _no_link
    failpoints.install(count.take)
    sys.addaudithook(count.audit)
    asyncio.run(live(life))
    print(json.dumps([0, list(count.passed)]), flush=True)
    os._exit(0)


def main() -> None:
    """Fork a life for each request, and answer how it ended: [status, what it passed]."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _be(msgspec.json.decode(line, type=WatcherLife))
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            print(json.dumps([status, []]), flush=True)


if __name__ == "__main__":
    main()
