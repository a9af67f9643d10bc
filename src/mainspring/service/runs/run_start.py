"""Start of a run: the start command of the engine, audited."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.start_options import CONTINUES, KEY_POLICIES, StartOptions
from mainspring.domain.errors import ArgumentError, ConflictError, OptionError, UnknownNameError
from mainspring.domain.ids import make_id
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.codec import encode
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import build_start_command, build_start_limits
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.runs import SlotLink, StartRun
from mainspring.store.read.status.status import automations
from mainspring.store.views import AutomationView

__all__ = ["StartOptions", "encode_arguments", "find_startable_definition", "read_startable_definition", "start"]

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
    command = build_start(
        clock, definition, data, act=act, options=options, trigger=trigger, slot=slot, sealing=sealing, here=here
    )
    detail = {"run": command.id, "key": command.run_key.key if command.run_key else None, "due_at": command.due_at}
    return perform(store, act, "start", f"automation:{definition.name}", command, detail)


def build_start(
    clock: Clock,
    definition: Definition,
    data: bytes,
    *,
    act: OperationContext,
    options: StartOptions,
    trigger: str | None = None,
    slot: SlotLink | None = None,
    sealing: Sealing = PLAIN_SEALING,
    here: bool = False,
) -> StartRun:
    """Return the command that starts a run; see `start`. Raises OptionError."""
    if options.key_policy == CONTINUES:
        raise OptionError(
            f'key policy "{CONTINUES}" is only for the engine', hint=f"Choose one of {', '.join(KEY_POLICIES)}."
        )
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
    limits = None if slot is not None or here else build_start_limits(definition, data, now_at)
    if limits is not None and limits.debounce_ms is not None and command.run_key is not None:
        raise OptionError(
            f"{definition.name!r} has debounce=, so a start cannot have a key",
            hint="Leave the key out: starts with one value of per= become one run.",
        )
    return command if limits is None else replace(command, limits=limits)


def encode_arguments(definition: Definition, arguments: Mapping[str, object], limit: int) -> bytes:
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


def read_startable_definition(view: AutomationView) -> Definition:
    """Return the definition of an automation that can be started here.

    Raises:
        ConflictError: another version of Mainspring announced it, or only its own caller starts it.
    """
    try:
        definition = Definition.from_data(msgspec.json.decode(view.definition))
    except msgspec.MsgspecError as error:
        raise ConflictError(
            f"{view.name!r} was announced by another version of mainspring: {error}",
            hint="Run workers and web process of the same version.",
        ) from None
    if definition.kind is DefinitionKind.EXEC:
        raise ConflictError(
            f"{view.name!r} is started by a wrapped command",
            hint="Run that command again: mainspring exec -n NAME -- COMMAND",
        )
    return definition


def find_startable_definition(reader: StoreReader, name: str) -> Definition:
    """Return the announced definition of an automation that can be started here.

    Raises:
        UnknownNameError: no worker has announced it; names the nearest.
        ConflictError: as `read_startable_definition`.
    """
    views = automations(reader, name)
    if not views:
        raise UnknownNameError("automation", name, [view.name for view in automations(reader)])
    return read_startable_definition(views[0])
