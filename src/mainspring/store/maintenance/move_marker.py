"""What a move leaves in `meta`, whatever the database: where a store has gone, and that a store is not whole yet.

A store that is being moved, or was, takes no commit more; one that is being filled takes none yet. A process with a session was proven
absent before the mark was made, so only groups without one look for it (see `refuse_moved`).
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from mainspring.domain.errors import StoreError
from mainspring.store.transaction import Transaction

GONE: Final = "move.to"
"""In the source: a Departure as JSON."""

ARRIVING: Final = "move.from"
"""In the target until it is whole: an Arrival as JSON."""

ARRIVED: Final = "move.done"
"""In the target once it is whole: the id of the move."""

PROGRESS: Final = "move.at:"
"""With a table's name: the key (JSON) of the last row that the target has of it."""


class MoveSource(msgspec.Struct, frozen=True):
    """Where a store is going, under which id; `done` once the new place is whole."""

    id: str
    to: str
    done: bool = False


class MoveTarget(msgspec.Struct, frozen=True):
    """What a store is being filled from, under which id."""

    id: str
    source: str


class StoreMovedError(StoreError):
    """The store was moved elsewhere, or is on its way; nothing is changed in it."""

    code = "store_moved"


class RowError(StoreError):
    """One database cannot hold what the other one holds."""

    code = "row_refused"


def error_of_move(marks: Iterable[tuple[Any, ...]], where: str) -> StoreMovedError | None:
    """Return the error that tells of these entries of `meta` (key, value); None if the store may be used."""
    found = {str(key): str(value) for key, value in marks}
    if GONE in found:
        departure = msgspec.json.decode(found[GONE], type=MoveSource)
        if departure.done:
            return StoreMovedError(
                f"the store was moved\nfrom {where}\nto {departure.to}",
                hint="Name the new place in store.url. To use the old one again, as it was then: mainspring db move --undo",
            )
        return StoreMovedError(
            f"the store is being moved\nfrom {where}\nto {departure.to}",
            hint="Go on with the same command: mainspring db move --to URL. To stay here: mainspring db move --undo",
        )
    if ARRIVING in found:
        arrival = msgspec.json.decode(found[ARRIVING], type=MoveTarget)
        return StoreMovedError(
            f"the store is not whole yet\nat {where}: it is being filled from {arrival.source}",
            hint="Go on with the command that fills it; it can be used when that has ended.",
        )
    return None


def refuse_moved(tx: Transaction, where: str) -> None:
    """Do nothing if this group may be committed. Asked last, so that it sees a mark that was made while the group waited for a lock.

    Raises:
        StoreMovedError: the store is, or was, being moved.
    """
    error = error_of_move(tx.all("read_move_markers"), where)
    if error is not None:
        raise error
