"""Start of a run: the start command of the engine, audited."""

from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.ids import make_id
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.codec import encode
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.runs import SlotLink

__all__ = ["StartOptions", "encode_arguments", "start"]

_PLAIN = StartOptions()
ID_BITS = 80
"""Random bits in the id of a run."""


def start(
    store: Store,
    clock: Clock,
    definition: Definition,
    data: bytes,
    *,
    act: OperationContext,
    options: StartOptions = _PLAIN,
    trigger: str | None = None,
    slot: SlotLink | None = None,
    sealing: Sealing = PLAIN_SEALING,
    here: bool = False,
) -> StartAnswer:
    """Start a run of `definition` with the JSON `data` (see domain.call.encode_call); return it, or the run that its key found.

    `trigger` (default: the actor) is the origin that the run shows. `slot` is a due time that a backfill makes up for. `here` = the session
    of this process owns and executes the run.

    Raises:
        OptionError: an option of this start, or a template of the definition, is invalid.
        BusyError: the queue's backlog is full, or (`here`) another run holds the partition.
        KeyConflictError: the key was used with another input.
        ConflictError: the automation is retired; the store is on hold, and the caller would wait for the result.
    """
    if options.key_policy == "replace":
        raise OptionError('key policy "replace" is only for the engine', hint='Choose "reuse" or "restart".')
    now_at = clock.now()
    command = build_start_command(
        definition,
        data,
        run=make_id("r", now_at, clock.random_bits(ID_BITS)),
        now_at=now_at,
        trigger=trigger or str(act.actor),
        options=options,
        slot=slot,
        sealing=sealing,
        here=here,
    )
    detail = {"run": command.id, "key": command.run_key.key if command.run_key else None, "due_at": command.due_at}
    return perform(store, act, "start", f"automation:{definition.name}", command, detail)


def encode_arguments(definition: Definition, arguments: dict[str, Any], limit: int) -> bytes:
    """Return the arguments of a start as canonical JSON.

    Raises:
        ArgumentError: they do not match the parameters of the automation.
        ValueRefusedError: they cannot be saved.
    """
    if not definition.parameters and arguments:
        raise ArgumentError(f"{definition.name} has no arguments (got {next(iter(arguments))!r})")
    mismatch = find_mismatch(definition.parameters, arguments) if definition.parameters else None
    if mismatch is not None:
        at = f"$.input{mismatch.path[1:]}"
        raise ArgumentMismatchError(f"{at}: {mismatch.why}", hint=f"See the parameters of {definition.name}.", at=at)
    return encode(arguments, value_name="the arguments", limit=limit)
