"""An endpoint of a move: what a move needs of the database at either end."""

from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from mainspring.domain.errors import ConflictError, StoreHeldError
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.results import Refused
from mainspring.store.maintenance.move_marker import ARRIVING, GONE, MoveSource, MoveTarget, error_of_move
from mainspring.store.maintenance.table_rows import RowSource, RowTarget
from mainspring.store.transaction import Transaction
from mainspring.store.write.command_handlers import HANDLERS


class MoveEndpoint(Protocol):
    """One store that is moved from or to. Each verb opens a connection of its own and is one transaction, unless it says otherwise."""

    holds_nul: bool
    """Whether its texts may hold the character NUL."""

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        ...

    def departure(self) -> MoveSource | None:
        """Return where it is going, or has gone. Raises NotFoundError, StoreError."""
        ...

    def texts_with_nul(self) -> list[str]:
        """Return where a text holds NUL, some of them."""
        ...

    def depart(self, departure: MoveSource, act: AuditedCommand) -> None:
        """Bury the dead, and mark the store as leaving: from this commit on nobody else writes to it.

        Raises:
            StoreHeldError: a process uses it; names it.
        """
        ...

    def settle(self, departure: MoveSource | None, act: AuditedCommand | None = None) -> None:
        """Change the mark, or take it away."""
        ...

    def reading(self) -> AbstractContextManager[RowSource]:
        """Give its rows, all of one commit."""
        ...

    def arrived(self) -> str | None:
        """Return the id of the move that made it whole; None where there is no such store."""
        ...

    def require_empty(self) -> None:
        """Do nothing if nothing was ever done with it, or it is not there. Raises ConflictError."""
        ...

    def receive(self, arrival: MoveTarget) -> None:
        """Make and mark it; one that was marked for this move already stays as it is.

        Raises:
            ConflictError: it is in use, or is being filled by another move.
        """
        ...

    def writing(self) -> AbstractContextManager[RowTarget]:
        """Give its rows, to append to."""
        ...

    def release(self, move: str) -> None:
        """Take the mark away and let it be used."""
        ...


def not_empty(where: str, table: str) -> ConflictError:
    """Return the error for a target that was used before."""
    return ConflictError(
        f"there is a store already, and it is not empty ({table})\nat {where}",
        hint="Name another place: for a server another schema, ?schema=NAME.",
    )


def other_move(where: str, arrival: MoveTarget, remedy: str) -> ConflictError:
    """Return the error for a target that another move has begun to fill; `remedy` = how to empty it."""
    return ConflictError(
        f"another move was begun to this place, from {arrival.source}, and not ended\nat {where}",
        hint=f"Go on with that one, or empty the place: {remedy}",
    )


def read_departure(gone: str | None, arriving: str | None, where: str) -> MoveSource | None:
    """Read the marks of a store that is to be moved: return where it is going, or has gone.

    Raises:
        StoreMovedError: it is being filled itself.
    """
    if arriving is not None and (error := error_of_move([(ARRIVING, arriving)], where)) is not None:
        raise error
    return None if gone is None else msgspec.json.decode(gone, type=MoveSource)


def is_marked(found: str | None, arrival: MoveTarget, where: str, remedy: str) -> bool:
    """Tell whether a target is marked for this move already. Raises ConflictError: for another one; `remedy` as in other_move."""
    if found is None:
        return False
    begun = msgspec.json.decode(found, type=MoveTarget)
    if begun != arrival:
        raise other_move(where, begun, remedy)
    return True


def in_use(where: str, sessions: list[str]) -> StoreHeldError:
    """Return the error for a store whose processes still live."""
    more = ", ..." if len(sessions) > 5 else ""
    return StoreHeldError(
        f"{len(sessions)} process(es) still use the store: {', '.join(sessions[:5])}{more}\nat {where}",
        hint="Stop them first: mainspring down, on each machine. What died there is known to be dead when its lease is over.",
    )


def mark_departure(tx: Transaction, departure: MoveSource | None, act: AuditedCommand | None) -> None:
    """Write where a store is going, or take that away, and put on record who did it. Raises ConflictError."""
    if act is not None and isinstance(answer := HANDLERS[AuditedCommand](tx, act), Refused):
        raise ConflictError(answer.text)
    tx.change("raise_epoch")  # marks of an earlier stay here or there prove nothing
    if departure is None:
        tx.change("delete_meta", (GONE,))
    else:
        tx.change("put_meta", (GONE, msgspec.json.encode(departure).decode()))
