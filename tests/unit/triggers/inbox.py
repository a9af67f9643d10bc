"""A folder, a consumer at it, and a store that lives in memory: what the tests of consumers share."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.states import RunState
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.values.file import File
from mainspring.store.commands.results import Refused
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.testing.clock import FakeClock
from mainspring.triggers.files.folder_watcher import FolderWatcher


class Shop:
    """Accepts deliveries and reports ends. `runs` = what counted, in order; `requests` = all that was sent, repeats included."""

    def __init__(self) -> None:
        self.runs: list[IncomingDelivery] = []
        self.requests: list[str] = []
        self.known: dict[str, RunState] = {}
        self.forgotten: list[str] = []
        self.faults: list[Exception | Refused] = []
        self.accepted = asyncio.Event()

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        self.requests.append(delivery.key)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if delivery.key not in self.known:
            self.known[delivery.key] = RunState.QUEUED
            self.runs.append(delivery)
        self.accepted.set()
        return "taken in"

    async def ended(self, trigger: str, keys: Sequence[str]) -> dict[str, RunState]:
        return {key: self.known[key] for key in keys if self.known.get(key, RunState.QUEUED) is not RunState.QUEUED}

    async def forget(self, trigger: str, key: str) -> None:
        self.forgotten.append(key)
        self.known.pop(key, None)

    @property
    def files(self) -> list[File]:
        """What the runs were given."""
        return [msgspec.json.decode(delivery.json, type=File) for delivery in self.runs]

    @property
    def names(self) -> list[str]:
        return [file.name for file in self.files]

    def end(self, state: RunState, name: str | None = None) -> None:
        """Let the runs that continue end: all, or those of the files of one name."""
        for key, run in zip([delivery.key for delivery in self.runs], self.files, strict=True):
            if name in (None, run.name) and self.known.get(key) is RunState.QUEUED:
                self.known[key] = state


class Inbox:
    """One watched folder with its consumer, on a clock that a test moves."""

    def __init__(self, folder: Path, shop: Shop | None = None, **options: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.clock = FakeClock()
        self.shop = shop or Shop()
        self.files = WatchedFolder.parse(str(folder), **options)
        self.reports: list[ReportConsumer] = []
        self.runner = asyncio.Runner()
        self.watcher = self.other_watcher()

    def other_watcher(self) -> FolderWatcher:
        """Return one more consumer at the same folder and store: another scheduler, or the same one after a restart."""
        return FolderWatcher("in/files", self.files, self.shop, self.shop, self.reports.append, self.clock)

    def restart(self) -> None:
        """Forget all that the consumer has in memory, once its thread has released the lock of the folder."""
        self.runner.run(self.watcher._thread.do(lambda: None))
        self.watcher.close()
        self.watcher = self.other_watcher()

    def poll(self, *watchers: FolderWatcher) -> None:
        """Let the consumer look once."""
        for watcher in watchers or (self.watcher,):
            self.runner.run(watcher.poll())

    def pass_time(self, seconds: float = 10) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def settle(self) -> None:
        """Look, let everything settle, and look again."""
        self.poll()
        self.pass_time()
        self.poll()

    def write(self, path: str, content: bytes = b"content") -> Path:
        """Write a file, all at once."""
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
        return full

    def tree(self) -> dict[str, bytes]:
        """Return path -> content of all there is, but what the consumer keeps for itself."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                relative = str(path.relative_to(self.folder))
                if not relative.startswith(".mainspring/lock"):
                    found[relative] = path.read_bytes()
        return found

    def close(self) -> None:
        self.watcher.close()
        self.runner.close()


Opens = Callable[..., Inbox]
