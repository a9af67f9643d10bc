"""A managed process: one process that a supervisor keeps running, with a backoff of its own."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import msgspec

from mainspring.app.processes.launch_spec import LaunchSpec, ProcessLine
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.engine.attempts.process_exit import signal_name

PROBATION_ROLE = "probation"
STORE_LOST_EXIT_CODE = 75
"""Exit code: the store or the session is lost; restart."""
STALLED_EXIT_CODE = 70
"""Exit code: a run in this process blocked the loop for too long."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_LIFE_S = 30.0
"""A process that lived this long restarts without a pause."""
SHORT_LIFE_S = 2.0
"""A process that ends by itself within this many seconds did no work: it restarts after a pause, with a log line."""
MODULE_BY_ROLE = {
    ProcessRole.WORKER: "mainspring.app.processes.worker_process",
    PROBATION_ROLE: "mainspring.app.processes.worker_process",
    ProcessRole.SCHEDULER: "mainspring.app.processes.scheduler_process",
    ProcessRole.WATCHER: "mainspring.app.processes.watcher_process",
    ProcessRole.WEB: "mainspring.web.process",
}
"""The module that is executed for each role. Only a worker imports code of users."""


@dataclass(slots=True)
class ManagedProcess:
    """A process that should run, unless it was quarantined."""

    handover: LaunchSpec
    process: "subprocess.Popen[bytes] | None" = None
    line: ProcessLine | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    not_before: float = 0.0
    starts: int = 0
    is_stop_requested: bool = False
    """Whether the supervisor asked it to stop."""
    pid: int = 0
    """The process number of the latest start."""
    is_lost: bool = False
    """Whether the latest process lost its session: it may have been quarantined, which the store knows."""
    is_closed: bool = False
    """Whether a person took it out of service."""

    @property
    def role(self) -> str:
        """The role of the process."""
        return self.handover.role

    @property
    def is_open(self) -> bool:
        """Whether it is time to start its process."""
        return self.process is None and not self.is_closed and time.monotonic() >= self.not_before

    def start(self) -> int:
        """Start the process. Return its process number."""
        spec = msgspec.structs.replace(self.handover, parent=os.getpid())
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        self.process, self.line = spec.start(
            [sys.executable, "-m", MODULE_BY_ROLE[self.role]], env=env, start_new_session=True
        )
        self.started = time.monotonic()
        self.is_stop_requested = False
        self.starts += 1
        self.pid = self.process.pid
        return self.pid

    def request_stop(self) -> None:
        """Ask the process to drain and end."""
        if self.process is not None and self.line is not None:
            self.is_stop_requested = True
            self.line.request_stop()
            self.process.terminate()

    def close(self) -> None:
        """End the process at once, and start no other."""
        self.is_closed = True
        if self.process is not None:
            self.process.kill()

    def ended(self, code: int) -> "ProcessExit":
        """Record the end of the process and plan the next start: at once after a steady life, else after a growing pause."""
        is_loss_reported = self.line is not None and self.line.close()
        is_excused = self.is_stop_requested or self.is_closed or is_loss_reported
        self.process = self.line = None
        lived = time.monotonic() - self.started
        self.is_lost = code == STORE_LOST_EXIT_CODE
        crashed = code not in (0, STORE_LOST_EXIT_CODE)
        was_short = not crashed and not self.is_stop_requested and lived < SHORT_LIFE_S and self.role != PROBATION_ROLE
        steady = lived >= STEADY_LIFE_S
        self.pause = FIRST_PAUSE if steady else min(self.pause * 2, LONGEST_PAUSE)
        is_at_once = self.starts <= 1 or steady or not (crashed or was_short)  # the first death is answered at once
        pause = 0.0 if is_at_once else self.pause
        self.not_before = time.monotonic() + pause
        return ProcessExit(code, lived, crashed, was_short, is_excused)


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended.

    `crashed` = by a signal, or with a code that Mainspring does not use; `was_short` = by itself, before it can have done anything;
    `is_excused` = it was asked to stop, or reported that it lost its store: no run is to blame.
    """

    code: int
    lived: float
    crashed: bool
    was_short: bool
    is_excused: bool

    @property
    def short(self) -> str:
        """Return the exit in a few words: "exit 0", "SIGSEGV"."""
        if self.code == STALLED_EXIT_CODE:
            return "its loop was blocked"
        return signal_name(-self.code) if self.code < 0 else f"exit {self.code}"

    @property
    def description(self) -> str:
        """Return the exit in words, after "ended"."""
        if self.code == STALLED_EXIT_CODE:
            return "because its loop was blocked"
        return f"by {signal_name(-self.code)}" if self.code < 0 else f"with exit code {self.code}"
