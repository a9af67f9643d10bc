"""The check of a store's write-ahead log: whether it is large, and who keeps it from being emptied.

It opens nothing: closing a file of SQLite's would drop its locks.
"""

import asyncio
import contextlib

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.finding_reporter import FindingReporter
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.sqlite.log_readers import LARGE_LOG, LogReader, lasting_readers, log_size

CHECK_INTERVAL_S = 10.0
SIZE_FINDING = "size"
"""The name of the finding that the log is large."""
_MIB = 1024 * 1024


class WalCheck:
    """Checks the log again and again, in the loop's thread; what it finds is on record with the session of this process."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._store = process.project.settings.store.path
        self._findings = FindingReporter(process)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """End; a check that is under way is not waited for."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> None:
        """Check once, and record what is found. It takes up to a second while someone reads."""
        size, readers = await asyncio.to_thread(lambda: (log_size(self._store), lasting_readers(self._store)))
        self._findings.replace(ProcessFindingKind.WAL, describe_log(size, readers))
        self._findings.report()

    async def _live(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(CHECK_INTERVAL_S)


def describe_log(size: int, readers: list[LogReader]) -> dict[str, str]:
    """Return what is found of a log of `size` bytes and of who reads without a pause: name -> why."""
    findings = {SIZE_FINDING: f"the write-ahead log is larger than {LARGE_LOG // _MIB} MiB"} if size > LARGE_LOG else {}
    return findings | {
        f"process {reader.pid}": f"process {reader.pid} ({KNOWN_SECRETS.redact(reader.name)})" for reader in readers
    }
