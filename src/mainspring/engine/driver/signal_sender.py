"""The sender of signals from one loaded run to other runs."""

import functools
from typing import TYPE_CHECKING

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.request import Request, SendCall
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.commands.results import CommandDone, Refused

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class SignalSender:
    """Delivers the signals of a run, and saves an outcome for each.

    The source of a delivery makes it count once, also if this worker dies before the outcome is saved.
    """

    def __init__(self, loaded: "LoadedRun") -> None:
        self._loaded = loaded

    def send(self, request: Request, call: SendCall) -> None:
        """Deliver a signal."""
        loaded = self._loaded
        source = f"{loaded.run.id}/{request.ident}/{loaded.generations.of(request.request_number)}"
        payload = loaded.host.seal(call.payload)
        command = DeliverFact(call.run, FactKind.SIGNAL, call.name, source, payload=payload, key=call.key)
        loaded.journal.saving += 1
        loaded.host.store.submit(command, functools.partial(self._sent, request, call))

    @halt_run_on_error
    def _sent(self, request: Request, call: SendCall, result: CommandDone | Refused | BaseException) -> None:
        loaded = self._loaded
        loaded.journal.saving -= 1
        if loaded.is_unloaded:
            return
        if isinstance(result, Refused):
            failure = Failure("Refused", result.code, result.text or result.code, kind=FailureKind.PERMANENT)
            loaded.journal.save(request, OutcomeState.FAILED, failure=failure, input=call.input)
        elif loaded.accepts(result):
            loaded.journal.save(request, OutcomeState.SUCCEEDED, input=call.input)
