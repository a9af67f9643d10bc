"""The sender of signals from one loaded run to other runs."""

import functools
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.json_schema import find_mismatch_of_all
from mainspring.engine.body.request import Request, SendCall
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.commands.results import CommandDone, Refused

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class SignalSender:
    """Delivers the signals of a run, and saves an outcome for each.

    The source of a delivery makes it count once, also if this worker dies before the outcome is saved. One signal is sent after the other,
    so that signals of one moment reach their receiver in the order of the code.
    """

    def __init__(self, loaded: "LoadedRun") -> None:
        self._loaded = loaded
        self._waiting: deque[tuple[Request, SendCall, str]] = deque()

    def send(self, request: Request, call: SendCall) -> None:
        """Deliver a signal; one that the code of its receiver cannot read fails here, if its types are known."""
        loaded = self._loaded
        source = f"{loaded.run.id}/{request.ident}/{loaded.generations.of(request.request_number)}"
        loaded.journal.saving += 1
        self._waiting.append((request, call, source))
        if len(self._waiting) == 1:
            self._check_first()

    def _check_first(self) -> None:
        host, (_, call, source) = self._loaded.host, self._waiting[0]
        read = functools.partial(host.reads.undelivered_signal_schemas, call.key or call.run, call.name, source)
        host.off_loop(read, self._checked)

    @halt_run_on_error
    def _checked(self, schemas: Any) -> None:
        loaded = self._loaded
        if loaded.is_unloaded:
            return
        request, call, source = self._waiting.popleft()
        known = None if isinstance(schemas, Exception) else schemas  # the receiver puts aside what it cannot read
        fault = find_mismatch_of_all(known, msgspec.json.decode(call.payload))
        if fault is None:
            payload = loaded.host.seal(call.payload)
            command = DeliverFact(call.run, FactKind.SIGNAL, call.name, source, payload=payload, key=call.key)
            loaded.host.store.submit(command, functools.partial(self._sent, request, call))
        else:
            receiver = call.run if call.key is None else "{}[{}]".format(*call.key)
            refused = ValueRefusedError(f"signal {call.name} of run {receiver}", fault.path, fault.why)
            loaded.journal.saving -= 1
            loaded.journal.save(request, OutcomeState.FAILED, failure=loaded.host.failure_of(refused), input=call.input)
        if self._waiting:
            self._check_first()

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
