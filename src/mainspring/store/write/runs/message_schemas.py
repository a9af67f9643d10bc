"""Message schemas: what the code of a waiting run can read, announced with its definition or recorded with its wait.

Invariant: a message without a known schema counts as readable. A wait's record counts only while the session that
recorded it is alive.
"""

from collections.abc import Iterable, Mapping

import msgspec

from mainspring.domain.definitions.definition import read_message_schemas
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.values.json_schema import SchemaMismatch, find_mismatch_of_all
from mainspring.store.commands.results import Refused
from mainspring.store.transaction import Transaction

_decode = msgspec.json.decode


def refuse_unreadable_event(
    tx: Transaction, waits: Iterable[tuple[str, str]], name: str, data: object
) -> Refused | None:
    """Refuse an event that none of the waiting runs can read; None = at least one can, as far as is known."""
    first: tuple[str, str, SchemaMismatch] | None = None
    for run, ident in waits:
        row = tx.first("read_schema_of_wait", (run, ident))
        if row is None:
            return None
        automation, recorded, is_live = row
        schemas = _read_announced_schemas(tx, automation).get(name)
        if schemas is None and recorded is not None and is_live:
            schemas = [_decode(recorded)]
        fault = find_mismatch_of_all(schemas, data)
        if fault is None:
            return None
        first = first or (run, automation, fault)
    if first is None:
        return None
    run, automation, fault = first
    return Refused("unreadable", f"{fault} (run {run} of {automation!r} waits for it and cannot read it)")


def _read_announced_schemas(tx: Transaction, automation: str) -> dict[str, list[Mapping[str, object]]]:
    """Return the schemas of events by name in the current definition (read once per group)."""
    key = ("message schemas", automation)
    if key not in tx.cache:
        definition = tx.value("read_definition", (automation,), bytes)
        tx.cache[key] = {} if definition is None else read_message_schemas(definition, FactKind.EVENT)
    found: dict[str, list[Mapping[str, object]]] = tx.cache[key]
    return found
