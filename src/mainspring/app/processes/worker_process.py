"""`python -m mainspring.app.processes.worker_process`: one worker process, started and watched by a supervisor.

It ends with its supervisor (it drains first, if its loop still turns). SIGTERM drains it, and it ends with 0. If the store or the
session is lost, it ends at once with 75: a process that may write nothing must do nothing. A loop that was blocked for too long
ends it with 70. A signal that the supervisor did not send may come from a step: then the runs in this process are blamed, unless the
supervisor requests the stop as well.
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

from mainspring.app.deploy.run_mover import RunMover
from mainspring.app.processes.launch_spec import LaunchSpec, SupervisorLine, receive_launch_spec
from mainspring.app.processes.managed_process import STALLED_EXIT_CODE, STORE_LOST_EXIT_CODE
from mainspring.app.processes.parent_watch import ParentWatch
from mainspring.app.project import Project
from mainspring.app.replay.replay_protocol import ReplaySpec
from mainspring.app.setup.process_log import configure_log
from mainspring.app.setup.run_conditions import read_run_conditions
from mainspring.app.workers.worker_runtime import StalledError, WorkerRuntime
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.processes.crash_blame import SHUTDOWN_WINDOW_S
from mainspring.engine.attempts.processes.process_lifetime import kill_group, protect_memory, set_death_signal
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.resources.secret_variables import SECRET_VARIABLES
from mainspring.store.base import OUTAGES
from mainspring.store.commands.automations import RecordRunConditions
from mainspring.store.commands.sessions import CloseSession

_POLL_INTERVAL_S = 0.2
_GC_THRESHOLD = 20_000
"""New objects between two collections of cycles. A step leaves no cycles, and each collection costs as much as some steps."""
_LOG = logging.getLogger("mainspring.worker")


def main() -> int:
    """Run the worker until it is asked to stop. Return the exit code."""
    spec, supervisor = receive_launch_spec()
    configure_log()
    set_death_signal(signal.SIGTERM)
    protect_memory()
    if os.getppid() != spec.parent:  # the supervisor died before the death signal was set
        return STORE_LOST_EXIT_CODE
    try:
        project = spec.project()
        configure_log(project.settings.logs, environment=project.settings.project.environment)
        SECRET_VARIABLES.take(os.environ)
        asyncio.run(_run_worker(project, spec, supervisor))
    except MainspringError as error:
        sys.stderr.write(f"mainspring worker: {error}\n")
        return STORE_LOST_EXIT_CODE if isinstance(error, (FencedError, *OUTAGES)) else 2


async def _run_worker(project: Project, spec: LaunchSpec, supervisor: SupervisorLine) -> NoReturn:
    registry = project.load_registry(spec.modules)
    for problem in registry.problems:
        _log_problem(problem)
    logged_count = len(registry.problems)
    gc.freeze()  # loaded code stays: the collector never needs to visit it
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    # The scheduler, a process of its own, creates slots: user code that blocks or ends this process must not prevent that.
    runtime = project.make_runtime(registry, role=spec.role, survive_ms=spec.survive_ms, schedules=False)
    runtime.on_fatal = lambda error: _exit_at_once(
        runtime, STALLED_EXIT_CODE if isinstance(error, StalledError) else STORE_LOST_EXIT_CODE, supervisor
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    shutdown = ShutdownSignal(supervisor, spec.crash_limit)

    def end() -> None:
        if not stop.is_set():
            shutdown.note(runtime.worker.claimed_runs if runtime.is_open else {})
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    drain_for = project.settings.worker.drain.total_seconds()
    ParentWatch(
        spec.parent,
        loop,
        drain=stop.set,
        end=lambda: _exit_at_once(runtime, STORE_LOST_EXIT_CODE, supervisor),
        within=drain_for,
    ).start()
    await runtime.open()
    if spec.role == "worker":
        code = ReplaySpec(spec.flags, spec.config, spec.modules)
        RunMover(runtime.store, runtime.sealing, registry, code).start()
    for problem in registry.problems[logged_count:]:
        _log_problem(problem)
    watch = loop.create_task(_watch_for_replacement(runtime, stop, probation=spec.role == "probation"))
    recording = loop.create_task(_record_conditions(project, runtime))
    await stop.wait()
    watch.cancel()
    recording.cancel()
    await runtime.close(drain=drain_for, end=shutdown.session_end)
    # All is saved and released. Code that cannot be stopped (a thread, a coroutine that swallows its cancellation) must not
    # keep this process from ending.
    logging.shutdown()
    os._exit(0)


async def _watch_for_replacement(runtime: WorkerRuntime, stop: asyncio.Event, *, probation: bool) -> None:
    """Stop this process when it needs a replacement: abandoned code still runs in it, or no run is left on probation."""
    while not stop.is_set():
        await asyncio.sleep(_POLL_INTERVAL_S)
        if runtime.worker.attempts.abandoned_count:
            _LOG.warning("code that could not be stopped still runs in this process: it is replaced")
            stop.set()
        elif probation and not runtime.worker.active and not runtime.store.reader.read("count_probation_runs")[0][0]:
            stop.set()


async def _record_conditions(project: Project, runtime: WorkerRuntime) -> None:
    """Record the conditions of this worker once it works: diagnosis of a failure needs them, runs do not."""
    conditions = await asyncio.get_running_loop().run_in_executor(None, read_run_conditions, project.settings)
    with contextlib.suppress(MainspringError):
        await runtime.apply(RecordRunConditions(conditions))


def _log_problem(problem: LoadProblem) -> None:
    _LOG.error("%s: %s. %s", problem.where, problem.what, problem.how)


class ShutdownSignal:
    """Whether a signal was meant for this process, and which runs were in it when the signal arrived."""

    def __init__(self, supervisor: SupervisorLine, limit: int) -> None:
        self._supervisor = supervisor
        self._limit = limit
        self._claimed: dict[str, int] = {}
        self._received_at = 0.0

    def note(self, claimed: dict[str, int]) -> None:
        """Record the arrival of a signal, and the runs in this process, each with its claim."""
        self._claimed, self._received_at = claimed, time.monotonic()

    async def session_end(self) -> CloseSession:
        """Return the end of the session, with runs that may have sent the signal: none if the supervisor requests the stop within 2 s."""
        while self._claimed and not self._supervisor.is_stop_requested():
            if time.monotonic() - self._received_at >= SHUTDOWN_WINDOW_S:
                _LOG.error("a signal ended this worker without a request to stop: it had %d runs", len(self._claimed))
                return CloseSession(tuple(self._claimed.items()), self._limit)
            await asyncio.sleep(_POLL_INTERVAL_S / 4)
        return CloseSession()


def _exit_at_once(runtime: WorkerRuntime, code: int, supervisor: SupervisorLine | None = None) -> None:
    if code == STORE_LOST_EXIT_CODE and supervisor is not None:
        supervisor.report_lost_store()
    with contextlib.suppress(Exception):
        for pid in runtime.child_pids():
            kill_group(pid, signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
