"""The sender of starts: runs that the code of one loaded run starts and does not await."""

import functools
from typing import TYPE_CHECKING

from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.request import Request, StartCall
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.engine.driver.run_end import RunHalt
from mainspring.store.commands.results import Refused, StartAnswer

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class StartSender:
    """Starts runs, and saves an outcome for each. The id of a run follows from its request, so that it starts once."""

    def __init__(self, loaded: "LoadedRun") -> None:
        self._loaded = loaded
        self._sent: set[str] = set()

    def start(self, request: Request, call: StartCall) -> None:
        """Start a run."""
        loaded = self._loaded
        self._sent.add(request.ident)
        loaded.journal.saving += 1
        command = loaded.host.child_of(loaded.run, request, call)
        loaded.host.store.submit(command, functools.partial(self._started, request, call))

    def cancel(self, request: Request, call: StartCall) -> None:
        """Start a run all the same if the code has ended; one that the code no longer wants does not start, unless it has already."""
        if request.detached and request.ident not in self._sent:
            self.start(request, call)

    @halt_run_on_error
    def _started(self, request: Request, call: StartCall, result: StartAnswer | Refused | BaseException) -> None:
        loaded = self._loaded
        loaded.journal.saving -= 1
        if loaded.is_unloaded:
            return
        if isinstance(result, Refused) and result.code != "claim_lost":
            failure = loaded.host.refusal_of(request.name, result)
            if request.detached:  # no code gets the failure any more
                loaded.halt = loaded.halt or RunHalt(FailureReason.BODY_ERROR, failure, request.ident, {})
            elif request.open:
                loaded.journal.save(request, OutcomeState.FAILED, failure=failure, input=call.input)
        elif loaded.accepts(result) and request.open:
            assert isinstance(result, StartAnswer)
            # Its own run, started before a crash, is found by its id; another one by the key.
            output = encode({"id": result.run, "created": not result.by_key})
            loaded.journal.save(request, OutcomeState.SUCCEEDED, output=output, input=call.input)
        loaded.advance()
