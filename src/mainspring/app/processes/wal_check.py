"""Check of a store's write-ahead log (WAL): whether it is large, and which reader keeps it from being emptied.

It opens no file: closing a file of SQLite would drop its locks.
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
    """Checks the log periodically, in the loop's thread. Its findings are recorded with the session of this process."""

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
