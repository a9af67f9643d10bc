"""A store move: mark the source, fill the target, compare, release the target, record its address in the source.

After an interruption the same command continues. Both can never be used at once: the source is closed before the target
is created, and the target is released only when it is complete.
"""

from collections.abc import Callable, Sequence

import msgspec

from mainspring.domain.values.blob import Blob
from mainspring.store import failpoints
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.results import CommandDone
from mainspring.store.maintenance.move_endpoint import MoveEndpoint
from mainspring.store.maintenance.move_marker import GONE, MoveSource, MoveTarget, RowError, error_of_move
from mainspring.store.maintenance.row_copy import ReportProgress, TableSum, compare, copy

MarkCommandFactory = Callable[[MoveSource], AuditedCommand[CommandDone]]
"""Creates the audited command that writes the marker."""


class MoveResult(msgspec.Struct, frozen=True):
    """The result of a move: source, target, and the sum of each table, equal on both sides (empty if they were compared
    before).
    """

    source: str
    target: str
    tables: dict[str, TableSum]


def _carry_none(_: Sequence[Blob]) -> None:
    """Carry no blobs."""


def move(
    source: MoveEndpoint,
    target: MoveEndpoint,
    *,
    act: MarkCommandFactory,
    new_id: str,
    report: ReportProgress,
    carry_blobs: Callable[[Sequence[Blob]], object] = _carry_none,
) -> MoveResult:
    """Move a store, or continue an interrupted move. `carry_blobs` copies blobs to the place of the target's.

    Raises:
        StoreHeldError: a process still uses it.
        ConflictError: the target is not empty.
        RowError: the target cannot store a row of the source.
        StoreMovedError: it was moved, or is being moved, to another place.
        StoreError: one side failed; the same command continues.
    """
    marker = source.read_marker()
    if marker is None:
        target.require_empty()
        refuse_nul(source, target)
        marker = MoveSource(new_id, target.location)
        source.mark_leaving(marker, act(marker))
    elif marker.done and marker.to == target.location and target.read_completed_move() == marker.id:
        return MoveResult(
            source.location, target.location, {}
        )  # it was killed after all was done, before it was reported
    elif marker.done or marker.to != target.location:
        error = error_of_move([(GONE, msgspec.json.encode(marker).decode())], source.location)
        assert error is not None
        raise error
    failpoints.hit("move.marked")
    tables: dict[str, TableSum] = {}
    if target.read_completed_move() != marker.id:
        target.receive(MoveTarget(marker.id, source.location))
        failpoints.hit("move.begun")
        tables = copy_and_compare(source, target, report)
        carry_blobs(target.list_blobs())
        failpoints.hit("move.compared")
        target.release(marker.id)
        failpoints.hit("move.released")
    source.settle(msgspec.structs.replace(marker, done=True))
    return MoveResult(source.location, target.location, tables)


def copy_and_compare(source: MoveEndpoint, target: MoveEndpoint, report: ReportProgress) -> dict[str, TableSum]:
    """Copy all rows into a target that was created for them (MoveEndpoint.receive), and compare both sides; return the
    sum of each table.
    """
    with source.reading() as source_rows, target.writing() as target_rows:
        copy(source_rows, target_rows, report)
        return compare(source_rows, target_rows, report)


def refuse_nul(source: MoveEndpoint, target: MoveEndpoint) -> None:
    """Check that the target can store all texts of the source. Raises RowError."""
    if target.holds_nul:
        return
    if places := source.texts_with_nul():
        raise RowError(
            f"a text with the character NUL cannot be kept by a server: {'; '.join(places[:5])}\nat {source.location}",
            hint="Nothing was moved. Retention deletes what is finished: mainspring db prune.",
        )
