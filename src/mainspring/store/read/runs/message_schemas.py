"""Message schemas: which signals the code of a run can read, from its announced definition or from what it last said to wait for."""

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
    """Return the schemas of the signals of this name; None = not known for certain.

    What a run said counts only while the session lives whose code it was: other code may read more.
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
        found = [wait for wait in waits if wait.kind == FactKind.SIGNAL and wait.name == name]
        if not found or any(wait.schema is None for wait in found):
            return None
        live = {row[0] for row in read("list_live_session_ids")}
        return [wait.schema for wait in found] if all(wait.session in live for wait in found) else None
