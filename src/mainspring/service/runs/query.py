"""Queries: a question to the code of a run about its state. It changes nothing, so it is not in the audit log."""

from datetime import timedelta

from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.ids import make_id
from mainspring.domain.runs.outbox import check_query_name
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.refusal import error_for_refusal
from mainspring.service.runs.run_start import ID_BITS
from mainspring.store.base import Store
from mainspring.store.commands.queries import AskQuery
from mainspring.store.commands.results import QueryStored, Refused


def ask_query(
    store: Store,
    clock: Clock,
    run: str,
    name: str,
    value: object,
    within: timedelta,
    sealing: Sealing = PLAIN_SEALING,
) -> QueryStored:
    """Store a query for a worker to answer within a time.

    Raises:
        ArgumentError: the name is empty, longer than 1,000 characters, or cannot be printed.
        NotFoundError: there is no such run.
        ConflictError: it is no workflow.
        BusyError: no live worker has its code.
        ValueRefusedError: the value cannot be saved.
    """
    check_query_name(name)
    data = sealing.seal(encode(value, value_name=f"query {name}", limit=sealing.limit))
    id = make_id("q", clock.now(), clock.random_bits(ID_BITS))
    stored = store.apply(AskQuery(id, run, name, data, to_milliseconds(within)))
    if isinstance(stored, Refused):
        raise error_for_refusal(stored, f"query {name!r} of run {run}")
    return stored
