"""Move markers in `meta`, the same for every database: the target of a moved store, and that a store is not complete
yet.

A store that is being moved, or was, accepts no commits; a store that is being filled accepts none yet. A process with a
session was proven absent before the marker was written, so only groups without a session check it (see `refuse_moved`).
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from mainspring.domain.errors import StoreError
from mainspring.store.transaction import Row, Transaction

GONE: Final = "move.to"
"""In the source: a MoveSource as JSON."""

ARRIVING: Final = "move.from"
"""In the target until it is complete: a MoveTarget as JSON."""

COMPLETED: Final = "move.done"
"""In the target once it is complete: the id of the move."""

PROGRESS: Final = "move.at:"
"""With a table's name: the key (JSON) of the last row of that table in the target."""


class MoveSource(msgspec.Struct, frozen=True):
    """The source's marker: the target, the id of the move, and `done` once the target is complete."""

    id: str
    to: str
    done: bool = False


class MoveTarget(msgspec.Struct, frozen=True):
    """The target's marker: the source that fills it, and the id of the move."""

    id: str
    source: str


class StoreMovedError(StoreError):
    """The store was moved elsewhere, or is being moved; nothing is changed in it."""

    code = "store_moved"


class RowError(StoreError):
    """One database cannot store a row of the other one."""

    code = "row_refused"


def error_of_move(marks: Iterable[Row], where: str) -> StoreMovedError | None:
    """Return the error that these entries of `meta` (key, value) mean; None if the store may be used."""
    values = {str(key): str(value) for key, value in marks}
    if GONE in values:
        source = msgspec.json.decode(values[GONE], type=MoveSource)
        if source.done:
            return StoreMovedError(
                f"the store was moved\nfrom {where}\nto {source.to}",
                hint="Set store.url to the new place. To use the old one again, as it was then: mainspring db move "
                "--undo",
            )
        return StoreMovedError(
            f"the store is being moved\nfrom {where}\nto {source.to}",
            hint="Continue with the same command: mainspring db move --to URL. To stay here: mainspring db move --undo",
        )
    if ARRIVING in values:
        target = msgspec.json.decode(values[ARRIVING], type=MoveTarget)
        return StoreMovedError(
            f"the store is not complete yet\nat {where}: it is being filled from {target.source}",
            hint="Continue the command that fills it. You can use the store when that command has ended.",
        )
    return None


def refuse_moved(tx: Transaction, where: str) -> None:
    """Check that this group may be committed. Called last, so that it sees a marker written while the group waited for
    a lock.

    Raises:
        StoreMovedError: the store is, or was, being moved.
    """
    error = error_of_move(tx.all("read_move_markers"), where)
    if error is not None:
        raise error
