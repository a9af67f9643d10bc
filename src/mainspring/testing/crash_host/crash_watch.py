"""The watch on crash points in one process: it records those that the process passes, and kills the process at the chosen one."""

import math
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable

from mainspring.engine.attempts.attempt_hooks import AttemptBoundary
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import PROCESS
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext
from mainspring.store.base import CommitReport, Database
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.runs import StartRun
from mainspring.testing.crash.crash_point import AFTER_RETURN, BEFORE_CALL, CrashPoint

_BOUNDARY_PHASES = {AttemptBoundary.BEGIN: BEFORE_CALL, AttemptBoundary.END: AFTER_RETURN}


class CrashWatch:
    """Records crash points. `automation` = that of the run. `target` = the one at which this process kills itself; None = it lives.

    `on_kill` is called just before: it writes the proof. `points` = what was passed, in order.
    """

    def __init__(self, automation: str, target: CrashPoint | None, on_kill: Callable[[CrashPoint], None]) -> None:
        self._automation = automation
        self._target = target
        self._on_kill = on_kill
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, int, str]] = Counter()
        self._attempts: dict[tuple[str, str], int] = {}
        self._idents: dict[str, str] = {}
        self.points: list[CrashPoint] = []
        self.commits = 0
        """Changes of runs that were committed."""
        self.isolated: set[str] = set()
        """Steps whose code ran in a child process."""

    def note(self, automation: str, step: str, attempt: int, phase: str, most: float = math.inf) -> None:
        """Pass a point: at most `most` times. At the target, this does not return."""
        with self._lock:
            place = (automation, step, attempt, phase)
            if self._counts[place] >= most:
                return
            self._counts[place] += 1
            point = CrashPoint(*place, self._counts[place])
            self.points.append(point)
            if point == self._target:
                self._on_kill(point)
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # the signal may arrive later, and nothing may be done before

    def note_in_step(self, phase: str, most: float = math.inf) -> None:
        """Pass a point inside the code of a step; outside of steps nothing is recorded."""
        step: StepContext | None = CURRENT_STEP.get()
        if step is not None:
            self.note(step.automation, self._idents.get(step.key, step.name), step.attempt, phase, most)

    def note_boundary(self, spec: AttemptSpec, boundary: AttemptBoundary) -> None:
        """Pass the begin or the end of an attempt's code."""
        self._attempts[spec.run_id, spec.ident] = spec.attempt
        self._idents[spec.key] = spec.ident
        if spec.isolate == PROCESS:
            self.isolated.add(spec.name)
        self.note(spec.automation, spec.ident, spec.attempt, _BOUNDARY_PHASES[boundary])

    def note_command(self, place: str, command: StoreCommand[object]) -> None:
        """Pass the commit of a command that changes what runs have done."""
        if isinstance(command, AuditedCommand):
            command = command.inner
        if isinstance(command, BookkeepingCommand) or (isinstance(command, StartRun) and command.parent is None):
            return  # the start from outside is the client's
        name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(command).__name__).lower()
        step, run = getattr(command, "ident", None) or "", getattr(command, "run", "")
        attempt = self._attempts.get((str(run), step), 1) if step else 0
        automation = getattr(command, "automation", None) or self._automation
        self.note(automation, step, attempt, f"{place} the commit: {name}")


def watch_commits(database: Database, watch: CrashWatch) -> Database:
    """Return this database; its commits are crash points from now on."""
    commit = database.commit

    def commit_at_points(commands: list[StoreCommand[object]], *, again: bool = False) -> CommitReport:
        for command in commands:
            watch.note_command("before", command)
        report = commit(commands, again=again)
        watch.commits += sum(not isinstance(command, BookkeepingCommand) for command in commands)
        for command in commands:
            watch.note_command("after", command)
        return report

    database.commit = commit_at_points  # type: ignore[method-assign]  # all else of the database stays as it is
    return database
