"""Message schemas: which signals the code of a run can read, from its announced definition or from its recorded waits."""

from collections.abc import Mapping

import msgspec

from mainspring.domain.definitions.definition import read_message_schemas
from mainspring.domain.runs.journal import FactKind
from mainspring.store.base import StoreReader
from mainspring.store.schema.row import first_value, first_values


class _Wait(msgspec.Struct, frozen=True):
    """One entry of `waiting_for`."""

    kind: str = ""
    name: str = ""
    schema: object = None
    session: int | None = None


def signal_schemas(reader: StoreReader, run: str, name: str) -> list[Mapping[str, object]] | None:
    """Return the schemas of the signals of this name; None = unknown.

    The record of a run counts only while the session of its code is alive: other code may read more.
    """
    with reader.snapshot() as read:
        newest = first_value(read("find_newest_of_chain", (run,)), str)
        rows = read("read_awaited_message", (newest or run,))
        if not rows:
            return None
        definition, waiting_for = rows[0]
        announced = None if definition is None else read_message_schemas(definition, FactKind.SIGNAL).get(name)
        if announced is not None or waiting_for is None:
            return announced
        try:
            waits = msgspec.json.decode(waiting_for, type=list[_Wait])
        except msgspec.MsgspecError:
            return None
        signal_waits = [wait for wait in waits if wait.kind == FactKind.SIGNAL and wait.name == name]
        schemas: list[Mapping[str, object]] = [wait.schema for wait in signal_waits if isinstance(wait.schema, dict)]
        if not signal_waits or len(schemas) < len(signal_waits):
            return None
        live = first_values(read("list_live_session_ids"), int)
        return schemas if all(wait.session in live for wait in signal_waits) else None


def undelivered_signal_schemas(
    reader: StoreReader, target: str | tuple[str, str], name: str, source: str
) -> list[Mapping[str, object]] | None:
    """Return the schemas of a signal from `source` to a run or to (automation, run key); None = unknown, or it was delivered."""
    run: str | None = target if isinstance(target, str) else first_value(reader.read("find_run_of_key", target), str)
    if run is None or reader.read("has_fact_receipt", (run, FactKind.SIGNAL, source)):
        return None
    return signal_schemas(reader, run, name)
