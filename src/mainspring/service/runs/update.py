"""Updates: a request to a run, stored once, with one reply."""

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import hash_parts
from mainspring.domain.runs.outbox import check_update
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.service.runs.run_start import build_start
from mainspring.store.base import Store
from mainspring.store.commands.results import UpdateStored
from mainspring.store.commands.updates import RequestUpdate, StartWithUpdate, UpdateRequest


def request_update(
    store: Store,
    run: str,
    name: str,
    value: object = None,
    *,
    act: OperationContext,
    request_id: str | None = None,
    sealing: Sealing = PLAIN_SEALING,
) -> UpdateStored:
    """Send an update to a run, or to the run that continues it, and return its id; the code of the run replies later.

    The same `request_id` (default: the command id) is the same update, also over restarts of the run. Its reply stays.

    Raises:
        ArgumentError: the name or the id is empty, longer than 1,000 characters, or cannot be printed.
        NotFoundError: there is no such run.
        ConflictError: it has ended, or is no workflow; the id was used for another update.
        ValueRefusedError: the value cannot be saved.
    """
    request = _build_request(name, value, act.command if request_id is None else request_id, sealing)
    return perform(store, act, "update", f"run:{run}", RequestUpdate(run, request), {"update": name, "id": request_id})


def start_with_update(
    store: Store,
    clock: Clock,
    definition: Definition,
    data: bytes,
    name: str,
    value: object = None,
    *,
    act: OperationContext,
    options: StartOptions,
    request_id: str | None = None,
    sealing: Sealing = PLAIN_SEALING,
) -> UpdateStored:
    """Start a run, or find the one of its key, and send it an update: both or nothing.

    Raises:
        ConflictError: the run of the key has ended. And whatever `run_start.start` and `request_update` raise.
    """
    request = _build_request(name, value, act.command if request_id is None else request_id, sealing)
    start = build_start(clock, definition, data, act=act, options=options, sealing=sealing)
    detail = {"run": start.id, "key": options.key, "update": name, "id": request_id}
    return perform(
        store, act, "start_with_update", f"automation:{definition.name}", StartWithUpdate(start, request), detail
    )


def _build_request(name: str, value: object, request_id: str, sealing: Sealing) -> UpdateRequest:
    check_update(name, request_id)
    encoded = encode(value, value_name=f"update {name}", limit=sealing.limit)
    return UpdateRequest(name, request_id, sealing.seal(encoded), hash_parts(name.encode(), encoded))
