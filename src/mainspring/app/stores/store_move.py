"""Move of the project's store to another place, and its undo: the place that knows both kinds of endpoints."""

from collections.abc import Sequence

from mainspring.app.stores.blob_place import (
    choose_next_place,
    copy_blobs,
    find_blob_contents,
    make_recorded_contents,
    read_blob_place,
)
from mainspring.app.stores.store_factory import lock_anchor, parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConflictError
from mainspring.domain.values.blob import Blob
from mainspring.service.actor import OperationContext
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.commands.blobs import RecordBlobPlace
from mainspring.store.commands.results import CommandDone
from mainspring.store.maintenance.move_endpoint import MoveEndpoint
from mainspring.store.maintenance.move_marker import GONE, MoveSource
from mainspring.store.maintenance.row_copy import ReportProgress
from mainspring.store.maintenance.store_move import MoveResult, move
from mainspring.store.sqlite.move_endpoint import SqliteEndpoint
from mainspring.store.supervisor_lock import lock_supervisor_role

_AUDIT_SUBJECT = "store:place"


def make_endpoint(url: str, clock: Clock) -> MoveEndpoint:
    """Return the endpoint of a move at a URL. Raises ConfigError."""
    if not is_server_url(url):
        return SqliteEndpoint(store_path(url), clock)
    address = parse_address(url)
    from mainspring.store.postgres.move_endpoint import PostgresEndpoint

    return PostgresEndpoint(address, clock)


def move_store(url: str, to: str, *, act: OperationContext, clock: Clock, report: ReportProgress) -> MoveResult:
    """Move a store, or continue a move; see maintenance.store_move.move. Until then no supervisor of this machine starts on either store.

    Raises:
        AlreadyExistsError: a supervisor uses one of them.
        ConflictError: both are the same place.
    """
    source, target = make_endpoint(url, clock), make_endpoint(to, clock)
    if source.location == target.location:
        raise ConflictError(f"there is already a store\nat {target.location}", hint="Name another place: --to URL.")

    def audited(marker: MoveSource) -> AuditedCommand[CommandDone]:
        return AuditedCommand(
            act.command, str(act.actor), "move", _AUDIT_SUBJECT, SetMeta(GONE, None), act.reason, {"to": marker.to}
        )

    def carry_blobs(named: Sequence[Blob]) -> None:
        place = read_blob_place(to) or choose_next_place(read_blob_place(url))
        if place is not None:
            target.apply(RecordBlobPlace(place))
        old, new = find_blob_contents(url), make_recorded_contents(to, place)
        try:
            absent = copy_blobs(named, old, new)
        finally:
            old.close()
            new.close()
        if absent:
            report(f"{len(absent):,} blobs of large values are absent. List them: mainspring db check")

    new_id = f"{clock.random_bits(128):032x}"
    with (
        lock_supervisor_role(lock_anchor(url), source.location),
        lock_supervisor_role(lock_anchor(to), target.location),
    ):
        return move(source, target, act=audited, new_id=new_id, report=report, carry_blobs=carry_blobs)


def undo_move(url: str, *, act: OperationContext, clock: Clock) -> MoveSource:
    """Make a store that was moved, or is being moved, usable again as before. Return where it had gone.

    Raises:
        ConflictError: it was not moved.
    """
    source = make_endpoint(url, clock)
    with lock_supervisor_role(lock_anchor(url), source.location):
        marker = source.read_marker()
        if marker is None:
            raise ConflictError(f"the store was not moved\nat {source.location}", hint="There is nothing to undo.")
        detail = {"from": marker.to}
        source.settle(
            None,
            AuditedCommand(
                act.command, str(act.actor), "move-undo", _AUDIT_SUBJECT, SetMeta(GONE, None), act.reason, detail
            ),
        )
    return marker
