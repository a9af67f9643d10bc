"""`python -m mainspring.testing.crash_host.crash_host`: the process that imports the code once, and forks each life of a crash test.

It gets orders on its standard input. It has one thread, so that a fork loses nothing. It ends with its parent.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mainspring.app.project import Project
from mainspring.app.replay.replay_protocol import MessageChannel
from mainspring.domain.errors import MainspringError
from mainspring.engine.attempts.processes.process_lifetime import die_with_parent, set_death_signal
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.crash import control_workflow
from mainspring.testing.crash.crash_point import CrashPoint
from mainspring.testing.crash.crash_protocol import CaseOrder, CaseReport, CrashPlan, HostReady, LifeReport
from mainspring.testing.crash.work_effects import read_effects
from mainspring.testing.crash_host.life import KILL, OUTPUT, REPORT, KillRecord, Life
from mainspring.testing.lab.lab_thread import new_store

_LONGEST_LIFE_S = 60.0
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.001, 0.02
_LAST_OUTPUT = 2_000


def main() -> None:
    """Load the code, report it, then live each case that is ordered, until the parent closes the connection."""
    channel = MessageChannel.take_stdin()
    plan = channel.receive(CrashPlan)
    die_with_parent(plan.parent)
    host = CrashHost(plan)
    channel.send(HostReady(host.error))
    while True:
        try:
            order = channel.receive(CaseOrder)
        except EOFError:
            os._exit(0)  # no exit handler of the loaded code may keep this process
        channel.send(host.live(order))


class CrashHost:
    """Lives cases. `error` = why it cannot: the code does not load, or a thread runs."""

    def __init__(self, plan: CrashPlan) -> None:
        self._plan = plan
        self._registry = _load(plan)
        control = CrashPlan(files=[control_workflow.__file__], automation=control_workflow.NAME, args=["x"], at=plan.at)
        self._control = (control, Registry.load(control.files))
        self.error = self._find_error()
        new_store()  # made once, before all forks

    def _find_error(self) -> str:
        if problems := self._registry.problems:
            return f"{problems[0].where}: {problems[0].what}. {problems[0].how}"
        if self._plan.automation not in self._registry.names:
            return f"these files declare no automation {self._plan.automation!r}: {', '.join(self._plan.files)}"
        threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if threads:
            return (
                f"the code starts a thread when it is imported ({', '.join(threads)}), and a fork would lose it. Start it in a "
                "function that steps call"
            )
        return ""

    def live(self, order: CaseOrder) -> CaseReport:
        """Live a case in a folder of its own."""
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own is made in it
        with tempfile.TemporaryDirectory(prefix="mainspring-crash-", dir=memory) as name:
            folder = Path(name)
            for part in ("store", "work"):
                (folder / part).mkdir()
            first, at = None, self._plan.at
            if order.point is not None:
                first = self._live(folder, order, at, 1)
                at = first.now or at
                if first.end != "killed":
                    return CaseReport(first=first, last=first)
                (folder / KILL).unlink()
                if order.forgets:
                    shutil.rmtree(folder / "store")
                    (folder / "store").mkdir()
            last = self._live(folder, replace(order, point=None), at, 2 if first else 1)
            return CaseReport(first=first, last=last, effects=read_effects(folder / "work"))

    def _live(self, folder: Path, order: CaseOrder, at: float, number: int) -> LifeReport:
        plan, registry = self._control if order.is_control else (self._plan, self._registry)
        with suppress(FileNotFoundError):
            (folder / REPORT).unlink()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            set_death_signal(signal.SIGKILL)
            Life(plan, registry, folder, at=at, target=order.point, number=number).live()
        status = _wait(pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # what it has started ends with it
        return _read_report(folder, status, order.point)


def _load(plan: CrashPlan) -> Registry:
    if plan.project is None:
        return Registry.load(plan.files)
    project = Project.find(flags=plan.project, config=None if plan.config is None else Path(plan.config))
    return project.load_registry(tuple(plan.files))


def _wait(pid: int) -> int:
    """Return the status of a process that has ended, or was killed because it did not end."""
    ends_at, pause = time.monotonic() + _LONGEST_LIFE_S, _SHORTEST_POLL_S
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > ends_at:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -1
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_POLL_S)


def _read_report(folder: Path, status: int, target: CrashPoint | None) -> LifeReport:
    if (folder / REPORT).exists():
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=LifeReport)
    if target is not None and (folder / KILL).exists() and os.WIFSIGNALED(status):
        record = msgspec.json.decode((folder / KILL).read_bytes(), type=KillRecord)
        if record.point == target and os.WTERMSIG(status) == signal.SIGKILL:
            return LifeReport(end="killed", now=record.now, commits=record.commits)
    output = (folder / OUTPUT).read_text(errors="replace")[-_LAST_OUTPUT:] if (folder / OUTPUT).exists() else ""
    if status == -1:
        return LifeReport(end="hung", detail=f"the process did not end within {_LONGEST_LIFE_S:g} s\n{output}")
    return LifeReport(end="error", detail=f"the process ended with {os.waitstatus_to_exitcode(status)}\n{output}")


if __name__ == "__main__":
    try:
        main()
    except MainspringError as error:
        sys.exit(str(error))
