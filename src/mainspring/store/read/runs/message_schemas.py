"""Message schemas: which signals the code of a run can read, from its announced definition or from its recorded waits."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import read_message_schemas
from mainspring.domain.runs.journal import FactKind
from mainspring.store.base import StoreReader


class _Wait(msgspec.Struct, frozen=True):
    """One entry of `waiting_for`."""

    kind: str = ""
    name: str = ""
    schema: Any = None
    session: int | None = None


def signal_schemas(reader: StoreReader, run: str, name: str) -> list[Any] | None:
    """Return the schemas of the signals of this name; None = unknown.

    The record of a run counts only while the session of its code is alive: other code may read more.
    """
    with reader.snapshot() as read:
        newest = read("find_newest_of_chain", (run,))
        rows = read("read_awaited_message", (newest[0][0] if newest else run,))
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
        if not signal_waits or any(wait.schema is None for wait in signal_waits):
            return None
        live = {row[0] for row in read("list_live_session_ids")}
        return [wait.schema for wait in signal_waits] if all(wait.session in live for wait in signal_waits) else None
