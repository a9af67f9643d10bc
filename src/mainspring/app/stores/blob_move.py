"""Move of the blobs of a store to a bucket, or back beside the store: copy all, then record the place in one commit."""

from collections.abc import Sequence

import msgspec

from mainspring.app.stores.blob_place import copy_blobs, make_recorded_contents, read_blob_place
from mainspring.app.stores.store_factory import lock_anchor
from mainspring.app.stores.store_move import make_endpoint
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ArgumentError, BlobMissingError, ConflictError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.blob import MOVING_KEY, Blob, BlobContents, BlobPlace, day_at
from mainspring.integrations.base.aws_address import AWS_ENDPOINT
from mainspring.integrations.s3.s3_address import SCHEME, read_prefix_address
from mainspring.integrations.s3.s3_connection import require_boto3
from mainspring.service.actor import OperationContext
from mainspring.store import failpoints
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.commands.blobs import RecordBlobPlace
from mainspring.store.commands.results import CommandDone
from mainspring.store.maintenance.move_endpoint import MoveEndpoint
from mainspring.store.maintenance.row_copy import ReportProgress
from mainspring.store.s3_blobs import S3Blobs, make_s3_folder
from mainspring.store.supervisor_lock import lock_supervisor_role

USUAL_PLACE = "store"
_MAX_PREFIX = 200
_SUBJECT = "store:blobs"


class BlobMoveResult(msgspec.Struct, frozen=True):
    """The result: the places of the blobs before and now, and how many of them the store uses."""

    source: str
    target: str
    blobs: int


def move_blobs(
    url: str,
    to: str,
    *,
    region: str | None = None,
    endpoint: str | None = None,
    act: OperationContext,
    clock: Clock,
    report: ReportProgress,
) -> BlobMoveResult:
    """Copy all blobs of a store to `to` (a prefix of S3, or "store"), and make the store use them there. The old ones stay.

    Raises:
        StoreHeldError: a process uses the store. AlreadyExistsError: a supervisor uses it.
        ArgumentError: `to` is no place. ConflictError: the blobs are beside the store already.
        BlobMissingError: blobs are absent at the old place; nothing has changed.
        CodecUnavailableError: one of the places cannot be used now; the same command continues.
    """
    store = make_endpoint(url, clock)
    if (marker := store.read_marker()) is not None:
        raise ConflictError(f"the store was moved to {marker.to}", hint="Name that one: --store URL")
    former = read_blob_place(url)
    source = make_recorded_contents(url, former)
    requested = _read_target(to, region, endpoint)
    if requested.address is None and (former is None or former.address is None):
        raise ConflictError(
            "the large values are beside the store already", hint="Name a bucket: --to s3://BUCKET/PREFIX"
        )
    with lock_supervisor_role(lock_anchor(url), store.location):
        place = _find_unfinished(store, requested) or _choose_folder(requested)
        store.apply(SetMeta(MOVING_KEY, place.encode()))
        target = make_recorded_contents(url, place)
        named = store.list_blobs()
        report(f"{len(named):,} large values to copy from {source.place} to {target.place}")
        try:
            if isinstance(target, S3Blobs):
                target.check()
            _copy_all(named, source, target)
            failpoints.hit("blobs.copied")
            store.apply(_record(store, place, named, source, target, act, clock))
            _copy_all([blob for blob in store.list_blobs() if blob not in set(named)], source, target)
        finally:
            source.close()
            target.close()
    return BlobMoveResult(source.place, target.place, len(named))


def _copy_all(blobs: Sequence[Blob], source: BlobContents, target: BlobContents) -> None:
    absent = copy_blobs(blobs, source, target)
    if absent:
        raise BlobMissingError(
            f"{len(absent):,} blobs of large values are absent or damaged, the first is {absent[0].address}\nin {source.place}",
            hint="Nothing has changed. List them: mainspring db check. Then put them back from a backup.",
        )


def _record(
    store: MoveEndpoint,
    place: BlobPlace,
    named: Sequence[Blob],
    source: BlobContents,
    target: BlobContents,
    act: OperationContext,
    clock: Clock,
) -> AuditedCommand[CommandDone]:
    """Return the command that records the place. All days of puts before it are closed, also those of a program whose clock is ahead."""
    open_from = int(store.read_meta("blobs.open_from") or 0)
    first_day = max([day_at(clock.now()) + 2, open_from + 1, *(blob.day + 1 for blob in named)])
    command = RecordBlobPlace(msgspec.structs.replace(place, first_day=first_day))
    detail = {"from": source.place, "to": target.place, "blobs": len(named)}
    return AuditedCommand(act.command, str(act.actor), "move-blobs", _SUBJECT, command, act.reason, detail)


def _read_target(to: str, region: str | None, endpoint: str | None) -> BlobPlace:
    """Return the place that a person names, not yet with a folder of its own. Raises ArgumentError."""
    if to == USUAL_PLACE:
        return BlobPlace()
    if not to.startswith(SCHEME):
        raise ArgumentError(
            f"large values cannot be moved to {to!r}",
            hint="Write --to s3://BUCKET/PREFIX, or --to store: beside the store.",
        )
    if endpoint is not None and not AWS_ENDPOINT.fullmatch(endpoint):
        raise ArgumentError("--endpoint is not an address", hint="Write such as --endpoint https://s3.example.com")
    require_boto3("a store with its large values in S3")
    prefix = read_prefix_address(to.rstrip("/"))
    parts = prefix.key.split("/") if prefix.key else []
    if len(prefix.key) > _MAX_PREFIX or not prefix.key.isprintable() or not {"", ".", ".."}.isdisjoint(parts):
        raise ArgumentError(
            f"large values cannot be below the prefix {escape(prefix.key, 100)!r}",
            hint=f"Use at most {_MAX_PREFIX} printable characters, and no part that is empty, `.` or `..`.",
        )
    return BlobPlace(str(prefix).rstrip("/"), region=region, endpoint=endpoint)


def _choose_folder(requested: BlobPlace) -> BlobPlace:
    if requested.address is None:
        return requested
    return msgspec.structs.replace(requested, address=make_s3_folder(read_prefix_address(requested.address)))


def _find_unfinished(store: MoveEndpoint, requested: BlobPlace) -> BlobPlace | None:
    """Return the target of an earlier move that did not end, if it has the same settings."""
    text = store.read_meta(MOVING_KEY)
    if text is None:
        return None
    place = BlobPlace.decode(text)
    if place.address is None or requested.address is None:
        return None
    is_same = msgspec.structs.replace(place, address=requested.address) == requested
    return place if is_same and place.address.rpartition("/")[0] == requested.address else None
