"""The supervisor: it keeps a table of processes, restarts each one, and puts the runs that shared a crash on probation.

It imports no code of users, which therefore cannot crash it. If a worker that owns runs ends, by a signal or with any exit code, its
session is declared dead as crashed, and a probation process continues its runs one at a time. Exceptions: the worker was asked to stop,
reported that it lost its store, or was declared dead by others first, or this process got a SIGTERM within two seconds. A worker that
ended in order released its runs. The other processes (scheduler, watcher, web) own no run: they are only restarted.
"""

import logging
import subprocess
import time
from collections.abc import Callable

import msgspec

from mainspring.app.processes.launch_spec import LaunchSpec
from mainspring.app.processes.managed_process import PROBATION_ROLE, ManagedProcess
from mainspring.app.processes.supervisor_session import SupervisorSession
from mainspring.app.project import Project
from mainspring.domain.errors import StoreError
from mainspring.domain.processes.process_role import ProcessRole, parse_roles

_LOG = logging.getLogger("mainspring.supervisor")
_POLL_INTERVAL_S = 0.05
_STORE_LOST_GRACE_S = 1.0
_KILL_TIMEOUT_S = 3.0
"""A process that the kernel can end is gone long before."""
_START_DELAY_S = 0.2
"""The other processes start a little later: on a machine with few cores the worker comes first."""


class Supervisor:
    """Runs by `run()` in the main thread of its process until `stop()`."""

    def __init__(
        self, project: Project, handover: LaunchSpec, *, on_start: Callable[[str, int], None] = lambda role, pid: None
    ) -> None:
        self._project = project
        up = project.settings.up
        roles: list[str] = []
        for role in parse_roles(up.roles):
            roles += [role.value] * (up.processes if role is ProcessRole.WORKER else 1)
        self.posts = [ManagedProcess(msgspec.structs.replace(handover, role=role)) for role in roles]
        start_later_at = time.monotonic() + (_START_DELAY_S if ProcessRole.WORKER in roles else 0.0)
        for post in self.posts:
            post.not_before = 0.0 if post.role == ProcessRole.WORKER else start_later_at
        self._probation = (
            ManagedProcess(msgspec.structs.replace(handover, role=PROBATION_ROLE))
            if ProcessRole.WORKER in roles
            else None
        )
        self._record = SupervisorSession(project, tuple(roles))
        self._stopping = False
        self._on_start = on_start
        self._reload = False

    def stop(self) -> None:
        """Stop in order: the processes drain first."""
        self._stopping = True

    def reload(self) -> None:
        """Restart the workers, with the automations as they are now."""
        self._reload = True

    def run(self, *, once: Callable[[], None] = lambda: None) -> int:
        """Keep the processes running; call `once` each turn (0.05 s). Return the exit code.

        Raises:
            StoreRemovedError: the store's file was removed or replaced; the processes have ended.
            StoreError: it cannot be used. A server that is unreachable for a while does not raise.
        """
        self._record.open()
        try:
            while not self._stopping:
                self._record.check()
                self._turn()
                once()
                time.sleep(_POLL_INTERVAL_S)
            self._record.pardon()
            self._end(self._project.settings.worker.drain.total_seconds())
        except StoreError:
            # A worker that started now would create another store and take it for the first one.
            self._end(_STORE_LOST_GRACE_S)
            self._record.check_presence()
            raise
        finally:
            self._record.close()
        return 0

    @property
    def _all(self) -> list[ManagedProcess]:
        return self.posts if self._probation is None else [*self.posts, self._probation]

    def _turn(self) -> None:
        for post in self._all:
            if post.pid in self._record.quarantined and not post.is_closed:
                _LOG.error(
                    "the %s process %d was quarantined: it is ended, and not replaced until you start this "
                    "`mainspring up` again",
                    post.role,
                    post.pid,
                )
                post.close()
            if post.process is not None and post.process.poll() is not None:
                self._died(post, post.process)
        if self._reload:
            self._reload = False
            for post in self.posts:
                if post.role == ProcessRole.WORKER:
                    post.request_stop()
        probation, record = self._probation, self._record
        for post in self.posts:
            # A process that lost its session is not replaced before the store reported the reason, which may be since this turn began.
            if post.is_open and not (post.is_lost and (record.is_busy or post.pid in record.quarantined)):
                self._start(post)
        if probation is not None and probation.is_open and record.is_probation_due and not record.is_busy:
            probation.handover = msgspec.structs.replace(
                probation.handover, survive_ms=record.survive_ms, crash_limit=record.deaths.limit(time.monotonic())
            )
            self._start(probation)

    def _start(self, post: ManagedProcess) -> None:
        self._on_start(post.role, post.start())

    def _died(self, post: ManagedProcess, process: "subprocess.Popen[bytes]") -> None:
        process_exit = post.ended(process.returncode)
        if process_exit.was_short and process_exit.code == 0 and post.role == ProcessRole.WORKER:
            question = "a module may end it during loading; it is started again"
            values = (process.pid, process_exit.code, process_exit.lived, question)
            _LOG.error("the worker process %d ended with exit code %d after %.1f s: %s", *values)
        if process_exit.crashed and not post.is_closed:
            _LOG.error(
                "the %s process %d ended %s; it is started again", post.role, process.pid, process_exit.description
            )
        self._record.died(
            process.pid,
            counts=not process_exit.is_excused,
            probation=post is self._probation,
            exit_text=process_exit.short,
        )

    def _end(self, within: float) -> None:
        processes = [(post, post.process) for post in self._all if post.process is not None]
        for post, _ in processes:
            post.request_stop()
        until = time.monotonic() + within + 5.0
        for post, process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _LOG.error("%s %d does not stop; it is killed, other workers continue its runs", post.role, process.pid)
                process.kill()
                self._wait_for_killed(post, process)

    @staticmethod
    def _wait_for_killed(post: ManagedProcess, process: "subprocess.Popen[bytes]") -> None:
        try:
            process.wait(_KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _LOG.error(
                "%s %d does not die: it is in a call of the kernel that does not return, usually to a disk or a "
                "network folder (see: cat /proc/%d/stack). It ends with that call and does nothing more; this "
                "supervisor ends without it",
                *(post.role, process.pid, process.pid),
            )
