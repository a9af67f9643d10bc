"""The undos of children: a run that rolls back lets a child undo its own steps, and waits for the end of that."""

import functools
from typing import TYPE_CHECKING

from mainspring.domain.states import OutcomeState
from mainspring.engine.body.request import ChildCall, Request, UndoChildCall
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer
from mainspring.store.commands.runs import UndoChild

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun
    from mainspring.engine.driver.waits import RunWaits


class ChildUndos:
    """Starts the rollback of children. A replay sends the command again: the store knows which children have been undone."""

    def __init__(self, loaded: "LoadedRun", waits: "RunWaits") -> None:
        self._loaded = loaded
        self._waits = waits

    def start(self, request: Request, call: UndoChildCall) -> None:
        """Let the child of a request undo its steps, or only end."""
        loaded = self._loaded
        loaded.journal.saving += 1
        command = UndoChild(loaded.run.id, loaded.claim, call.ident, call.generation, call.waits_only)
        loaded.host.store.submit(command, functools.partial(self._answered, request))

    def choose_undo(self, call: ChildCall) -> bool | None:
        """Return whether a cancelled child undoes its steps: yes in a rollback, unless the call has an undo. None = as it is defined."""
        body = self._loaded.body
        if call.undo is None or not (body.rolling_back or body.stop.should_undo(self._loaded.program.undoes_on)):
            return None
        return call.plan.undo is None

    @halt_run_on_error
    def _answered(self, request: Request, result: StartAnswer | CommandDone | Refused | BaseException) -> None:
        loaded = self._loaded
        loaded.journal.saving -= 1
        if not loaded.accepts(result):
            return
        if isinstance(result, StartAnswer):
            self._waits.await_run(request, result.run)
        else:
            loaded.journal.save(request, OutcomeState.SUCCEEDED)
        loaded.advance()
