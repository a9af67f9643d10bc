"""Sending a signal to one run, and discarding what a run could not read."""

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.runs.outbox import check_signal_name
from mainspring.domain.values.codec import encode
from mainspring.domain.values.json_schema import find_mismatch_of_all
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.store.base import Store
from mainspring.store.commands.inbox import DeliverFact, DropRejectedFacts


def signal(
    store: Store,
    reads: ServiceReads,
    run: str,
    name: str,
    value: object = None,
    *,
    act: OperationContext,
    sealing: Sealing = PLAIN_SEALING,
) -> None:
    """Send a signal to a run, which reads it with `run.receive(name)`, now or later.

    If the type that the code reads is known, a value that does not fit is refused here. Otherwise the run continues to wait and the signal
    is stored as rejected (`runs show`).

    Raises:
        ArgumentError: the name is empty, longer than 1,000 characters, or cannot be printed.
        NotFoundError: there is no such run.
        ConflictError: it has ended.
        ValueRefusedError: the value cannot be saved, or the run's code cannot read it.
    """
    check_signal_name(name)
    if was_performed(reads, act, "signal", f"run:{run}"):
        return
    encoded = encode(value, value_name=f"signal {name}", limit=sealing.limit)
    fault = find_mismatch_of_all(reads.signal_schemas(run, name), msgspec.json.decode(encoded))
    if fault is not None:
        hint = f"Send a valid value: mainspring runs signal {run} {name} JSON"
        raise ValueRefusedError(f"signal {name} of run {run}", fault.path, fault.why, hint=hint)
    command = DeliverFact(run, FactKind.SIGNAL, name, source=act.command, payload=sealing.seal(encoded))
    perform(store, act, "signal", f"run:{run}", command, {"signal": name})


def discard_rejected(store: Store, run: str, *, act: OperationContext) -> int:
    """Discard the signals, events and answers that a run could not read; return how many there were.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it rejected nothing.
    """
    answer = perform(store, act, "discard_rejected", f"run:{run}", DropRejectedFacts(run))
    return int(answer.number)
