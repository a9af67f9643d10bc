"""The endpoint of a move: what a move needs of the database at either end."""

from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from mainspring.domain.errors import ConflictError, StoreHeldError
from mainspring.domain.values.blob import Blob
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.maintenance.move_marker import ARRIVING, GONE, MoveSource, MoveTarget, error_of_move
from mainspring.store.maintenance.table_rows import RowSource, RowTarget
from mainspring.store.transaction import Transaction
from mainspring.store.write.command_handlers import HANDLERS


class MoveEndpoint(Protocol):
    """One store that is the source or target of a move. Each method opens its own connection and is one transaction,
    unless stated otherwise.
    """

    holds_nul: bool
    """Whether its texts may contain the character NUL."""

    @property
    def location(self) -> str:
        """Its address, without a password."""
        ...

    def read_marker(self) -> MoveSource | None:
        """Return the target of its move, finished or not. Raises NotFoundError, StoreError."""
        ...

    def texts_with_nul(self) -> list[str]:
        """Return some places of texts that contain NUL."""
        ...

    def mark_leaving(self, marker: MoveSource, act: AuditedCommand[CommandDone]) -> None:
        """Declare dead sessions dead, and mark the store as leaving: from this commit on no other process writes to it.

        Raises:
            StoreHeldError: a process uses it; names it.
        """
        ...

    def settle(self, marker: MoveSource | None, act: AuditedCommand[CommandDone] | None = None) -> None:
        """Change or remove the mark."""
        ...

    def reading(self) -> AbstractContextManager[RowSource]:
        """Open its rows for reading, all of one commit."""
        ...

    def read_completed_move(self) -> str | None:
        """Return the id of the move that completed it; None if there is no such store."""
        ...

    def read_meta(self, key: str) -> str | None:
        """Return an entry of `meta`."""
        ...

    def apply(self, command: StoreCommand[CommandDone | Refused]) -> None:
        """Apply a command to a store that no process uses. Raises StoreHeldError, ConflictError."""
        ...

    def require_empty(self) -> None:
        """Check that it was never used, or does not exist. Raises ConflictError."""
        ...

    def receive(self, marker: MoveTarget) -> None:
        """Create and mark it; one that is marked for this move already stays as it is.

        Raises:
            ConflictError: it is in use, or another move is filling it.
        """
        ...

    def writing(self) -> AbstractContextManager[RowTarget]:
        """Open its rows for appending."""
        ...

    def list_blobs(self) -> list[Blob]:
        """Return the blobs that its rows refer to."""
        ...

    def release(self, move: str) -> None:
        """Remove the mark, so that the store can be used."""
        ...


def not_empty(where: str, table: str) -> ConflictError:
    """Return the error for a target that was used before."""
    return ConflictError(
        f"there is a store already, and it is not empty ({table})\nat {where}",
        hint="Name another place; on a server another schema: ?schema=NAME.",
    )


def other_move(where: str, target: MoveTarget, fix: str) -> ConflictError:
    """Return the error for a target that another move has begun to fill; `fix` = how to empty it."""
    return ConflictError(
        f"another move to this place, from {target.source}, has started and not ended\nat {where}",
        hint=f"Continue that move, or empty the place: {fix}",
    )


def read_source_marker(gone: str | None, arriving: str | None, where: str) -> MoveSource | None:
    """Read the marks of a store that is to be moved: return the target of its move, finished or not.

    Raises:
        StoreMovedError: a move is filling it.
    """
    if arriving is not None and (error := error_of_move([(ARRIVING, arriving)], where)) is not None:
        raise error
    return None if gone is None else msgspec.json.decode(gone, type=MoveSource)


def is_marked(mark: str | None, target: MoveTarget, where: str, fix: str) -> bool:
    """Tell whether a target is marked for this move already. Raises ConflictError: for another one; `fix` as in
    other_move.
    """
    if mark is None:
        return False
    marked_target = msgspec.json.decode(mark, type=MoveTarget)
    if marked_target != target:
        raise other_move(where, marked_target, fix)
    return True


def in_use(where: str, sessions: list[str]) -> StoreHeldError:
    """Return the error for a store whose processes are still alive."""
    more = ", ..." if len(sessions) > 5 else ""
    return StoreHeldError(
        f"{len(sessions)} process(es) still use the store: {', '.join(sessions[:5])}{more}\nat {where}",
        hint="Stop them first: mainspring down, on each machine. A process that died counts as dead when its "
        "lease has expired.",
    )


def apply_offline(tx: Transaction, command: StoreCommand[CommandDone | Refused]) -> None:
    """Apply a command while no process uses the store. Raises ConflictError: the store refuses it."""
    if isinstance(answer := HANDLERS[type(command)](tx, command), Refused):
        raise ConflictError(answer.text)


def write_source_marker(tx: Transaction, source: MoveSource | None, act: AuditedCommand[CommandDone] | None) -> None:
    """Write or remove the target of a store's move, and record the operation. Raises ConflictError."""
    if act is not None:
        apply_offline(tx, act)
    tx.change("raise_epoch")  # marks of an earlier stay at either place prove nothing
    if source is None:
        tx.change("delete_meta", (GONE,))
    else:
        tx.change("put_meta", (GONE, msgspec.json.encode(source).decode()))
