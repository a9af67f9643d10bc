"""The checks of a store's file that the watcher process makes: its write-ahead log (WAL), and its pages."""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from mainspring.app.processes.background_process import BackgroundProcess, FindingReporter
from mainspring.domain.errors import StoreError
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.sqlite.check import check_table, list_tables
from mainspring.store.sqlite.log_readers import LARGE_LOG, LogReader, lasting_readers, log_size

SCAN_INTERVAL_S = 60.0
TABLE_TIMEOUT_S = 10.0
"""Seconds that the check of one table may take, like any read. Slower tables are left to `mainspring db check`."""
_PAUSE_FACTOR = 50
"""After each check the thread pauses this many times as long as the check took: the disk is busy for 2 % of the time."""
_NICE = 19
_LOG = logging.getLogger("mainspring.watcher")

CHECK_INTERVAL_S = 10.0
SIZE_FINDING = "size"
"""The name of the finding that the log is large."""
_MIB = 1024 * 1024


class WalCheck:
    """Checks whether the log is large, and which reader keeps it from being emptied: periodically, in the loop's thread.

    Its findings are recorded with the session of this process. It opens no file: closing a file of SQLite would drop its locks.
    """

    def __init__(self, process: BackgroundProcess) -> None:
        self._store = process.project.settings.store.path
        self._findings = FindingReporter(process)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the checks."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop, without waiting for a check in progress."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> None:
        """Check once and record the findings. Takes up to a second while someone reads."""
        size, readers = await asyncio.to_thread(lambda: (log_size(self._store), lasting_readers(self._store)))
        self._findings.replace(ProcessFindingKind.WAL, describe_log(size, readers))
        self._findings.report()

    async def _run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(CHECK_INTERVAL_S)


def describe_log(size: int, readers: list[LogReader]) -> dict[str, str]:
    """Return the findings about a log of `size` bytes and its continuous readers: name -> text."""
    findings = {SIZE_FINDING: f"the write-ahead log is larger than {LARGE_LOG // _MIB} MiB"} if size > LARGE_LOG else {}
    return findings | {
        f"process {reader.pid}": f"process {reader.pid} ({KNOWN_SECRETS.redact(reader.name)})" for reader in readers
    }


class IntegrityScan:
    """Checks one table of a store's file at a time, slowly, to find a damaged page before it is needed.

    It has a thread of its own, of low priority, and reads on a connection of its own. It delays the checkpoint of the write-ahead
    log no longer than any other read.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._left: list[str] = []
        self._skipped: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mainspring-check", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop, without waiting for a check in progress."""
        self._stopped.set()

    def check_next(self) -> tuple[str, list[str]] | None:
        """Check the next table. Return it and its damage, None if there is no table or it took too long.

        Raises:
            StoreError: the file cannot be read. Damage is recorded next to the file.
        """
        if not self._left:
            self._left = list_tables(self._store)
        table = self._left.pop(0) if self._left else None
        if table is None:
            return None
        damage = check_table(self._store, table, within_s=TABLE_TIMEOUT_S)
        if damage is None:
            if table not in self._skipped:
                self._skipped.add(table)
                _LOG.warning(
                    "table %s is too large for the background check (%g s); check it with: mainspring db check",
                    *(table, TABLE_TIMEOUT_S),
                )
            return None
        if damage:
            _LOG.error("the store's file is damaged: table %s: %s", table, damage[0])
        return table, damage

    def _run(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # of this thread alone
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        pause = SCAN_INTERVAL_S
        while not self._stopped.wait(pause):
            started = time.monotonic()
            with suppress(StoreError):  # other checks report a store that cannot be read, and damage is noted
                self.check_next()
            pause = max(SCAN_INTERVAL_S, _PAUSE_FACTOR * (time.monotonic() - started))
