"""A post: one process that a supervisor keeps, with a back-off of its own."""

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
"""Exit code: the store or the session is lost; start again."""
STALLED_EXIT_CODE = 70
"""Exit code: the loop was blocked for too long, by one of the runs aboard."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_LIFE_S = 30.0
"""A process that lived so long starts again without a pause."""
SHORT_LIFE_S = 2.0
"""A process that ends by itself within so many seconds did not get to work: it starts again with a pause, and not in silence."""
MODULE_BY_ROLE = {
    ProcessRole.WORKER: "mainspring.app.processes.worker_process",
    PROBATION_ROLE: "mainspring.app.processes.worker_process",
    ProcessRole.SCHEDULER: "mainspring.app.processes.scheduler_process",
    ProcessRole.WATCHER: "mainspring.app.processes.watcher_process",
    ProcessRole.WEB: "mainspring.web.process",
}
"""What is executed for each role. Only a worker's imports anybody's code."""


@dataclass(slots=True)
class ManagedProcess:
    """One process that is to be there, unless it was quarantined."""

    handover: LaunchSpec
    process: "subprocess.Popen[bytes] | None" = None
    line: ProcessLine | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    not_before: float = 0.0
    starts: int = 0
    is_told: bool = False
    """Whether it was told to end."""
    pid: int = 0
    """The number of the process that was started last."""
    is_lost: bool = False
    """Whether that one ended because its session was: it may have been quarantined, which the store tells."""
    is_closed: bool = False
    """Whether a person took it out of service."""

    @property
    def role(self) -> str:
        """What the process is for."""
        return self.handover.role

    @property
    def is_open(self) -> bool:
        """Whether it is time to start its process."""
        return self.process is None and not self.is_closed and time.monotonic() >= self.not_before

    def start(self) -> int:
        """Start the process; return its number."""
        handover = msgspec.structs.replace(self.handover, parent=os.getpid())
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        self.process, self.line = handover.start(
            [sys.executable, "-m", MODULE_BY_ROLE[self.role]], env=env, start_new_session=True
        )
        self.started = time.monotonic()
        self.is_told = False
        self.starts += 1
        self.pid = self.process.pid
        return self.pid

    def tell_to_end(self) -> None:
        """Ask the process to end in order."""
        if self.process is not None and self.line is not None:
            self.is_told = True
            self.line.ask_for_end()
            self.process.terminate()

    def close(self) -> None:
        """End the process at once, and start no other."""
        self.is_closed = True
        if self.process is not None:
            self.process.kill()

    def ended(self, code: int) -> "ProcessExit":
        """Take note of the end of the process, and plan the next start: at once after a steady life, else after a pause that grows."""
        is_lost_told = self.line is not None and self.line.close()
        is_excused = self.is_told or self.is_closed or is_lost_told
        self.process = self.line = None
        lived = time.monotonic() - self.started
        self.is_lost = code == STORE_LOST_EXIT_CODE
        crashed = code not in (0, STORE_LOST_EXIT_CODE)
        was_short = not crashed and not self.is_told and lived < SHORT_LIFE_S and self.role != PROBATION_ROLE
        steady = lived >= STEADY_LIFE_S
        self.pause = FIRST_PAUSE if steady else min(self.pause * 2, LONGEST_PAUSE)
        is_at_once = self.starts <= 1 or steady or not (crashed or was_short)  # the first death is answered at once
        pause = 0.0 if is_at_once else self.pause
        self.not_before = time.monotonic() + pause
        return ProcessExit(code, lived, crashed, was_short, is_excused)


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended.

    `crashed` = by a signal, or with a code that is none of ours; `was_short` = by itself, before it can have done anything;
    `is_excused` = it was asked to end, or said that it lost its store: no run is to blame for it.
    """

    code: int
    lived: float
    crashed: bool
    was_short: bool
    is_excused: bool

    @property
    def short(self) -> str:
        """Return it in a few words: "exit 0", "SIGSEGV"."""
        if self.code == STALLED_EXIT_CODE:
            return "its loop was blocked"
        return signal_name(-self.code) if self.code < 0 else f"exit {self.code}"

    @property
    def how(self) -> str:
        """Return it in words, after "ended"."""
        if self.code == STALLED_EXIT_CODE:
            return "because its loop was blocked"
        return f"by {signal_name(-self.code)}" if self.code < 0 else f"with exit code {self.code}"
