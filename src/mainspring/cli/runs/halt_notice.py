"""The notice that a run does not continue until a person acts: printed once by commands that wait for its end."""

import time
from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation

if TYPE_CHECKING:
    from mainspring.store.views import Blocker

_CHECK_EVERY_S = 1.0
_RESTART_S = 10.0
"""So long a supervisor may take to start a worker and to load the automations, before a run without a worker counts as halted."""


class HaltNotice:
    """Print on stderr what halts a run, each thing once, with the command that helps. `is_worked_here` = this process works on the run."""

    def __init__(self, invocation: Invocation, *, is_worked_here: bool = False) -> None:
        self._invocation = invocation
        self._is_worked_here = is_worked_here
        self._printed: set[str | None] = set()
        self._next_check = 0.0
        self._restart_until: float | None = None
        """Until when a worker may be on its way; None = none is."""

    @property
    def has_printed(self) -> bool:
        """Whether something halted the run."""
        return bool(self._printed)

    def check(self, run: str) -> None:
        """Print what is new, at most once a second."""
        from mainspring.insight.runs.blockers import list_halts
        from mainspring.store.read.status.status import blocker

        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + _CHECK_EVERY_S
        invocation = self._invocation
        found = blocker(invocation.reader, run)
        if found is None or self._restarts(found):  # None: it was pruned
            return
        now, up = invocation.clock.now(), invocation.up_command
        for halt in list_halts(found, now, invocation.zone, is_worked_here=self._is_worked_here, up=up):
            if halt.command not in self._printed:  # its text says how long ago, and differs each second
                self._printed.add(halt.command)
                helps = "" if halt.command is None else f"\nTo {halt.does}: {halt.command}"
                invocation.output.warn(f"run {run} does not continue. {halt.text}{helps}")

    def _restarts(self, found: "Blocker") -> bool:
        """Return whether no worker has the run, and a supervisor may just be starting one."""
        if found.workers or not found.is_supervised or self._is_worked_here:
            self._restart_until = None
            return False
        now = time.monotonic()
        self._restart_until = self._restart_until or now + _RESTART_S
        return now < self._restart_until
