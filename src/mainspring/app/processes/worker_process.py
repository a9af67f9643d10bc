"""`python -m mainspring.app.processes.worker_process`: one worker, started and watched by a supervisor.

It dies with its supervisor (it drains first, if its loop still turns). SIGTERM drains and ends with 0; losing the store or the
session ends at once with 75, for a process that may write nothing more must not do anything more. A loop that was blocked for too
long ends it with 70. A signal that the supervisor did not send may come from a step: the runs that were aboard then are blamed,
unless the supervisor asks for the end as well.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from typing import NoReturn

from mainspring.app.processes.launch_spec import LaunchSpec, SupervisorLine, receive_launch_spec
from mainspring.app.processes.managed_process import STALLED_EXIT_CODE, STORE_LOST_EXIT_CODE
from mainspring.app.processes.parent_watch import ParentWatch
from mainspring.app.project import Project
from mainspring.app.setup.process_log import configure_log
from mainspring.app.setup.run_conditions import read_run_conditions
from mainspring.app.workers.worker_runtime import StalledError, WorkerRuntime
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.processes.crash_blame import SHUTDOWN_WINDOW_S
from mainspring.engine.attempts.processes.process_lifetime import kill_group, set_death_signal
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.resources.secret_variables import SECRET_VARIABLES
from mainspring.store.base import OUTAGES
from mainspring.store.commands.automations import RecordRunConditions
from mainspring.store.commands.sessions import CloseSession

_POLL_INTERVAL_S = 0.2
_GC_THRESHOLD = 20_000
"""New objects between two looks for cycles. A step leaves none behind, and each look costs as much as some steps."""
_LOG = logging.getLogger("mainspring.worker")


def main() -> int:
    """Run the worker until it is told to stop; return the exit code."""
    handover, line = receive_launch_spec()
    configure_log()
    set_death_signal(signal.SIGTERM)
    if os.getppid() != handover.parent:  # it died before we asked
        return STORE_LOST_EXIT_CODE
    try:
        project = handover.project()
        configure_log(project.settings.logs, environment=project.settings.project.environment)
        SECRET_VARIABLES.take(os.environ)
        asyncio.run(_run_worker(project, handover, line))
    except MainspringError as error:
        sys.stderr.write(f"mainspring worker: {error}\n")
        return STORE_LOST_EXIT_CODE if isinstance(error, (FencedError, *OUTAGES)) else 2


async def _run_worker(project: Project, handover: LaunchSpec, line: SupervisorLine) -> NoReturn:
    registry = project.load_registry(handover.modules)
    for problem in registry.problems:
        _log_problem(problem)
    told = len(registry.problems)
    gc.freeze()  # the code stays: there is no need to look through it ever again
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    # Slots are made by the scheduler, a process of its own: user code that blocks or ends this one must not keep them from being made.
    working = project.working(registry, role=handover.role, survive_ms=handover.survive_ms, schedules=False)
    working.on_fatal = lambda error: _exit_at_once(
        working, STALLED_EXIT_CODE if isinstance(error, StalledError) else STORE_LOST_EXIT_CODE, line
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signalled = ShutdownSignal(line, handover.crash_limit)

    def end() -> None:
        if not stop.is_set():
            signalled.note(working.worker.aboard if working.is_open else {})
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    drain_for = project.settings.worker.drain.total_seconds()
    ParentWatch(
        handover.parent,
        loop,
        drain=stop.set,
        end=lambda: _exit_at_once(working, STORE_LOST_EXIT_CODE, line),
        within=drain_for,
    ).start()
    await working.open()
    for problem in registry.problems[told:]:
        _log_problem(problem)
    watch = loop.create_task(_watch_for_replacement(working, stop, probation=handover.role == "probation"))
    noting = loop.create_task(_record_conditions(project, working))
    await stop.wait()
    watch.cancel()
    noting.cancel()
    await working.close(drain=drain_for, end=signalled.session_end)
    # Everything is saved and given back. Code that cannot be stopped (a thread, a coroutine that swallows its cancellation) must not
    # keep this process from ending.
    logging.shutdown()
    os._exit(0)


async def _watch_for_replacement(working: WorkerRuntime, stop: asyncio.Event, *, probation: bool) -> None:
    """End this process when it is time for a new one: abandoned code still runs here, or no suspect is left on probation."""
    while not stop.is_set():
        await asyncio.sleep(_POLL_INTERVAL_S)
        if working.worker.attempts.abandoned_count:
            _LOG.warning("code that could not be stopped still runs in this process: it is replaced")
            stop.set()
        elif probation and not working.worker.active and not working.store.reader.read("count_probation_runs")[0][0]:
            stop.set()


async def _record_conditions(project: Project, working: WorkerRuntime) -> None:
    """Keep what this worker runs under, once it works: whoever looks for what changed before a failure needs it, runs do not."""
    found = await asyncio.get_running_loop().run_in_executor(None, read_run_conditions, project.settings)
    with contextlib.suppress(MainspringError):
        await working.apply(RecordRunConditions(found))


def _log_problem(problem: LoadProblem) -> None:
    _LOG.error("%s: %s. %s", problem.where, problem.what, problem.how)


class ShutdownSignal:
    """Whether a signal was meant for this process, and what was aboard when it came."""

    def __init__(self, line: SupervisorLine, limit: int) -> None:
        self._line = line
        self._limit = limit
        self._aboard: dict[str, int] = {}
        self._at = 0.0

    def note(self, aboard: dict[str, int]) -> None:
        """A signal has come while these runs were aboard, each with its claim."""
        self._aboard, self._at = aboard, time.monotonic()

    async def session_end(self) -> CloseSession:
        """Return the end of the session, with the runs that may have sent it: none if the supervisor asks for it, up to 2 s later."""
        while self._aboard and not self._line.is_end_asked_for():
            if time.monotonic() - self._at >= SHUTDOWN_WINDOW_S:
                _LOG.error(
                    "a signal ended this worker, and nobody had asked for that: %d runs were aboard", len(self._aboard)
                )
                return CloseSession(tuple(self._aboard.items()), self._limit)
            await asyncio.sleep(_POLL_INTERVAL_S / 4)
        return CloseSession()


def _exit_at_once(working: WorkerRuntime, code: int, line: SupervisorLine | None = None) -> None:
    if code == STORE_LOST_EXIT_CODE and line is not None:
        line.say_lost()
    with contextlib.suppress(Exception):
        for pid in working.child_pids():
            kill_group(pid, signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
