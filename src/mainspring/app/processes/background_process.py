"""A background process without user code: scheduler, watcher or web.

Each has a session, so that every host sees it, and sends a heartbeat every two seconds. It owns no run. While the store is unreachable
it waits. If its session was declared dead meanwhile, it ends and is restarted. It ends on SIGTERM, and with its supervisor.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

from mainspring.app.processes.launch_spec import LaunchSpec, receive_launch_spec
from mainspring.app.processes.managed_process import STORE_LOST_EXIT_CODE
from mainspring.app.processes.parent_watch import ParentWatch
from mainspring.app.project import Project
from mainspring.app.setup.process_log import configure_log
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.errors import MainspringError
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.attempts.processes.process_lifetime import protect_memory, set_death_signal
from mainspring.store.base import OUTAGES, CommitChanges, StoreBrokenError
from mainspring.store.commands.sessions import RecordProcessFindings
from mainspring.store.commit_callbacks import CallbackBatch
from mainspring.store.process_usage import ProcessUsage
from mainspring.store.write.command_handlers import HANDLERS

HEARTBEAT_INTERVAL_S = 2.0
_REOPEN_DELAY_S = 1.0
_SHUTDOWN_TIMEOUT_S = 3.0
_STORE_LOST_AFTER_S = 30.0
"""A store that has answered no heartbeat for this long is lost: a disk or a connection can be silent without an error."""


class BackgroundProcess:
    """A background process in its event loop. It calls `changed`, in the loop, when the store may hold something new."""

    def __init__(self, project: Project, role: str) -> None:
        self.project = project
        self.role = role
        self.log = logging.getLogger(f"mainspring.{role}")
        self.loop = asyncio.get_running_loop()
        self.stopped = asyncio.Event()
        self.is_open = False
        self.commit_error: str | None = None
        """Why commits do not succeed at present."""
        self.changed: Callable[[], None] = lambda: None
        self.store = make_store(
            project.settings.store.url,
            lease_ms=project.lease_ms,
            clock=project.clock,
            # The web process publishes events in the name of programs: they are matched by their data.
            sealing=project.sealing if role == ProcessRole.WEB else PLAIN_SEALING,
            deliver=self._deliver,
            on_change=self._on_change,
            on_outage=self._on_commit_error,
            on_fatal=self._on_fatal,
        )
        self._beats: asyncio.Task[None] | None = None
        self._answered_at = time.monotonic()

    @property
    def fault(self) -> str | None:
        """Why commits fail at present. Missing answers are a fault too, even without an error."""
        is_silent = self.is_open and time.monotonic() - self._answered_at >= _STORE_LOST_AFTER_S
        if self.commit_error is None and is_silent:
            return f"the store has completed no commit for {_STORE_LOST_AFTER_S:g} s or longer"
        return self.commit_error

    async def open(self, on_wait: Callable[[str], Awaitable[None]] | None = None) -> None:
        """Open the store and the session; wait while the store is unreachable, and call `on_wait` with the reason again and again.

        Raises:
            StoreError: it cannot be used.
        """
        logged = None
        while not self.stopped.is_set():
            opening = self.loop.create_task(asyncio.to_thread(self._try_to_open))
            while not (await asyncio.wait([opening], timeout=_REOPEN_DELAY_S))[0]:
                # While nothing can be written, opening the session is retried.
                if on_wait is not None and self.commit_error is not None:
                    await on_wait(self.commit_error)
            reason = await opening
            if reason is None:
                self.is_open, self._answered_at = True, time.monotonic()
                self._beats = self.loop.create_task(self._beat())
                return
            if reason != logged:
                logged = reason
                self.log.error("the store does not answer, trying again: %s", reason)
            if on_wait is not None:
                await on_wait(reason)
            await asyncio.sleep(_REOPEN_DELAY_S)

    def _try_to_open(self) -> str | None:
        """Open the store. Return why it is unreachable, None once it is open."""
        try:
            self._open_now()
        except StoreBrokenError:
            raise
        except OUTAGES as error:
            return error.message
        return None

    def _open_now(self) -> None:
        HANDLERS.load_all()  # a process that stays imports nothing later: its package may be replaced until then
        self.store.open()
        try:
            self.store.open_session(self.role)
        except BaseException:
            self.store.close(drain=False)
            raise

    def stop(self) -> None:
        """Stop in order. Exit at once if the store is not open yet: there is nothing to close, and it may not answer."""
        self.stopped.set()
        if not self.is_open:
            os._exit(0)

    async def close(self) -> None:
        """End the session and close the store."""
        if self._beats is not None:
            self._beats.cancel()
        if self.is_open:
            await asyncio.to_thread(self.store.close)

    async def _beat(self) -> None:
        usage = ProcessUsage()
        while True:
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
            self.store.submit(usage.beat(), self._answered)

    def _answered(self, _answer: object) -> None:
        self._answered_at = time.monotonic()

    # -- from the committing thread ------------------------------------------------------------------------------------

    def _deliver(self, answers: CallbackBatch) -> None:
        self.loop.call_soon_threadsafe(_run_callbacks, answers)

    def _on_change(self, changes: CommitChanges) -> None:
        if (changes.ready or changes.triggers) and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._call_changed)

    def _call_changed(self) -> None:
        self.changed()

    def _on_commit_error(self, text: str | None) -> None:
        self.commit_error = text
        if text is not None:
            self.log.error("the store does not accept commits: %s", text)
        else:
            self.log.warning("the store accepts commits again")

    def _on_fatal(self, error: BaseException) -> None:
        self.log.critical("this process stops: %s", error)
        os._exit(STORE_LOST_EXIT_CODE)


def _run_callbacks(answers: CallbackBatch) -> None:
    for on_done, result in answers:
        on_done(result)


def run_background_process(serve: Callable[[BackgroundProcess], Awaitable[int]]) -> int:
    """Run as the process that a supervisor specified. Return the exit code that `serve` returns.

    `serve` opens the process, works until `stopped` is set, and closes it.
    """
    spec, _line = receive_launch_spec()
    configure_log()
    set_death_signal(signal.SIGTERM)
    if os.getppid() != spec.parent:  # the supervisor died before the death signal was set
        return STORE_LOST_EXIT_CODE
    try:
        return asyncio.run(_serve_process(spec, serve))
    except MainspringError as error:
        sys.stderr.write(f"mainspring {spec.role}: {error}\n")
        return 2


async def _serve_process(spec: LaunchSpec, serve: Callable[[BackgroundProcess], Awaitable[int]]) -> int:
    protect_memory()
    project = spec.project()
    configure_log(project.settings.logs, environment=project.settings.project.environment)
    process = BackgroundProcess(project, spec.role)
    for number in (signal.SIGTERM, signal.SIGINT):
        process.loop.add_signal_handler(number, process.stop)
    ParentWatch(
        spec.parent,
        process.loop,
        drain=process.stop,
        end=lambda: os._exit(STORE_LOST_EXIT_CODE),
        within=_SHUTDOWN_TIMEOUT_S,
    ).start()
    return await serve(process)


class FindingReporter:
    """The findings of one process about itself or what is around it, recorded with its session for monitors.

    Used in the loop's thread; `report` writes changes once the store is open.
    """

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._found: dict[tuple[ProcessFindingKind, str], ProcessFinding] = {}
        self._kinds: frozenset[ProcessFindingKind] = frozenset()
        """The kinds that are reported here. Other parts of the process report other kinds."""
        self._written: tuple[ProcessFinding, ...] | None = ()
        """The recorded findings. None = unknown: a commit is in progress or failed."""

    def replace(self, kind: ProcessFindingKind, texts: Mapping[str, str]) -> None:
        """Replace all findings of a kind: name -> text. A finding that persists keeps its instant."""
        now = self._process.store.clock.now()
        self._kinds |= {kind}
        known = {key: finding for key, finding in self._found.items() if key[0] is kind}
        self._found = {key: finding for key, finding in self._found.items() if key[0] is not kind}
        for name, text in texts.items():
            before = known.get((kind, name))
            self._found[kind, name] = ProcessFinding(kind, name, text, now if before is None else before.since_at)

    def report(self) -> None:
        """Write the findings if they changed since the last write."""
        found = tuple(self._found[key] for key in sorted(self._found))
        if not self._process.is_open or found == self._written:
            return
        self._written = found
        self._process.store.submit(RecordProcessFindings(found, tuple(sorted(self._kinds))), self._answered)

    def _answered(self, result: object) -> None:
        if isinstance(result, Exception):
            self._written = None
