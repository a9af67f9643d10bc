"""Halt notice: a run does not continue until a person acts. Commands that wait for the run's end print it once."""

import time
from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation

if TYPE_CHECKING:
    from mainspring.store.views import Blocker

_CHECK_EVERY_S = 1.0
_RESTART_S = 10.0
"""Time for a supervisor to start a worker and load the automations, before a run without a worker counts as halted."""


class HaltNotice:
    """Print on stderr what halts a run, each halt once, with the command that helps. `is_worked_here` = this process works on the run."""

    def __init__(self, invocation: Invocation, *, is_worked_here: bool = False) -> None:
        self._invocation = invocation
        self._is_worked_here = is_worked_here
        self._printed: set[str | None] = set()
        self._next_check = 0.0
        self._restart_until: float | None = None
        """Until when a worker may be starting; None = none is."""

    @property
    def has_printed(self) -> bool:
        """Whether something halted the run."""
        return bool(self._printed)

    def check(self, run: str) -> None:
        """Print new halts, at most once a second."""
        from mainspring.insight.runs.blockers import list_halts
        from mainspring.store.read.status.status import blocker

        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + _CHECK_EVERY_S
        invocation = self._invocation
        blocked = blocker(invocation.reader, run)
        if blocked is None or self._may_restart(blocked):  # None: it was pruned
            return
        now, up = invocation.clock.now(), invocation.up_command
        for halt in list_halts(blocked, now, invocation.zone, is_worked_here=self._is_worked_here, up=up):
            if halt.command not in self._printed:  # the text says how long ago, and differs each second
                self._printed.add(halt.command)
                advice = "" if halt.command is None else f"\nTo {halt.does}: {halt.command}"
                invocation.output.warn(f"run {run} does not continue. {halt.text}{advice}")

    def _may_restart(self, blocked: "Blocker") -> bool:
        """Return whether no worker has the run, and a supervisor may just be starting one."""
        if blocked.workers or not blocked.is_supervised or self._is_worked_here:
            self._restart_until = None
            return False
        now = time.monotonic()
        self._restart_until = self._restart_until or now + _RESTART_S
        return now < self._restart_until
