"""Moving a store: mark the old one, fill the new one, compare, release the new one, tell the old one where it went.

Broken off anywhere, the same command goes on. At no moment can both be used: the old one is closed before the new one is begun, and the new
one opened only when it is whole.
"""

from collections.abc import Callable

import msgspec

from mainspring.store import failpoints
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.maintenance.move_endpoint import MoveEndpoint
from mainspring.store.maintenance.move_marker import GONE, MoveSource, MoveTarget, RowError, error_of_move
from mainspring.store.maintenance.row_copy import ReportProgress, TableSum, compare, copy

MarkCommandFactory = Callable[[MoveSource], AuditedCommand]
"""Makes the audited command that writes the mark."""


class MoveResult(msgspec.Struct, frozen=True):
    """What was done: from where, to where, and each table as it was found alike on both sides (empty if that was found before)."""

    source: str
    target: str
    tables: dict[str, TableSum]


def move(
    source: MoveEndpoint, target: MoveEndpoint, *, act: MarkCommandFactory, new_id: str, tell: ReportProgress
) -> MoveResult:
    """Move a store, or go on with a move that was broken off.

    Raises:
        StoreHeldError: a process still uses it.
        ConflictError: the target is not empty.
        RowError: the target cannot hold what the source holds.
        StoreMovedError: it has gone elsewhere, or is going there.
        StoreError: one side failed: the same command goes on.
    """
    departure = source.departure()
    if departure is None:
        target.require_empty()
        refuse_nul(source, target)
        departure = MoveSource(new_id, target.shown)
        source.depart(departure, act(departure))
    elif departure.done and departure.to == target.shown and target.arrived() == departure.id:
        return MoveResult(source.shown, target.shown, {})  # it was killed when all was done and nothing was said yet
    elif departure.done or departure.to != target.shown:
        error = error_of_move([(GONE, msgspec.json.encode(departure).decode())], source.shown)
        assert error is not None
        raise error
    failpoints.hit("move.marked")
    tables: dict[str, TableSum] = {}
    if target.arrived() != departure.id:
        target.receive(MoveTarget(departure.id, source.shown))
        failpoints.hit("move.begun")
        tables = copy_and_compare(source, target, tell)
        failpoints.hit("move.compared")
        target.release(departure.id)
        failpoints.hit("move.released")
    source.settle(msgspec.structs.replace(departure, done=True))
    return MoveResult(source.shown, target.shown, tables)


def copy_and_compare(source: MoveEndpoint, target: MoveEndpoint, tell: ReportProgress) -> dict[str, TableSum]:
    """Copy all rows into a target that was made for them (Endpoint.receive), and compare both sides; return what each table holds."""
    with source.reading() as here, target.writing() as there:
        copy(here, there, tell)
        return compare(here, there, tell)


def refuse_nul(source: MoveEndpoint, target: MoveEndpoint) -> None:
    """Do nothing if the target's texts can hold all that is in the source's. Raises RowError."""
    if target.holds_nul:
        return
    if found := source.texts_with_nul():
        raise RowError(
            f"a text with the character NUL cannot be kept by a server: {'; '.join(found[:5])}\nat {source.shown}",
            hint="Nothing was moved. What is finished goes with its retention: mainspring db prune.",
        )
