"""Fork of a run: a new run that inherits what a finished one did before a step."""

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import make_id
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import build_start_command, check_partition
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.run_recovery import find_step_identity
from mainspring.service.runs.run_start import ID_BITS
from mainspring.store.base import Store
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.run_control import ForkRun

_NOT_OF_A_FORK = frozenset({"key", "partition", "rollout", "rollout_by"})
"""Options of a definition that its forks do not have."""


class ForkOptions(msgspec.Struct, frozen=True):
    """`data` = the input of the fork as plain JSON, None = that of the run. Without `key` and `partition` it has none, whatever its
    definition says.
    """

    data: bytes | None = None
    key: str | None = None
    partition: str | None = None


def fork(
    store: Store,
    reads: ServiceReads,
    clock: Clock,
    definition: Definition,
    run: str,
    step: str | None,
    *,
    act: OperationContext,
    options: ForkOptions,
    sealing: Sealing = PLAIN_SEALING,
) -> StartAnswer:
    """Start a new run of `definition` from a step of a finished run: all outcomes requested before the step are inherited.

    `step` is the identity of a step, or its name if only one step has it; None = the end: it inherits all. The fork has idempotency keys
    of its own and never undoes what it inherited. It has the version in force. Keys of `ms.once` still hold.

    Raises:
        NotFoundError: there is no such run.
        UnknownNameError: it has no such step.
        ConflictError: it has not ended, or is no workflow; several steps have that name; an earlier step is in doubt or was undone.
        OptionError: a template of the definition cannot be filled.
        SealedError: a codec sealed the input, and this process does not have it.
    """
    history = reads.run_history(run)
    ident = None if step is None else find_step_identity(history, step)
    data = sealing.open(history.run.input) if options.data is None else options.data
    now_at = clock.now()
    partition = None if options.partition is None else check_partition(options.partition)
    without = {name: value for name, value in definition.options.items() if name not in _NOT_OF_A_FORK}
    command = build_start_command(
        msgspec.structs.replace(definition, options=without),
        data,
        run=make_id("r", now_at, clock.random_bits(ID_BITS)),
        now_at=now_at,
        trigger=str(act.actor),
        options=StartOptions(key=options.key),
        sealing=sealing,
        headers=history.run.headers,
    )
    command = msgspec.structs.replace(command, partition=partition, rollout_key=None)
    detail = {"run": command.id, "step": ident, "key": options.key}
    return perform(store, act, "fork", f"run:{run}", ForkRun(command, run, ident), detail)
