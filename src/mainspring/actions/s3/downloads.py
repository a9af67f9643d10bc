"""Downloads of objects of S3 to files that are complete or absent."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any, Unpack

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.stop_request import StopRequest, watch_stop_request
from mainspring.actions.files.content import choose_mode, publish, sync_entry, write_all
from mainspring.actions.files.place import FilePath, Place, RootPath, Target, read_target
from mainspring.actions.files.temporary import open_temporary_file
from mainspring.actions.s3.object_content import DEFAULT_PART_BYTES, FileContent
from mainspring.actions.s3.objects import find_head, has_content, is_comparable
from mainspring.actions.s3.s3_client import S3Options, make_client
from mainspring.actions.s3.s3_errors import S3ActionError, S3UnavailableError, describe_s3_errors
from mainspring.domain.errors import OptionError
from mainspring.integrations.s3.s3_address import S3Address, read_object_address
from mainspring.triggers.files.folder import CHUNK_BYTES

_SHA256 = re.compile(r"[0-9a-f]{64}")


class S3Download(msgspec.Struct, frozen=True):
    """A complete file: `size` in bytes. `is_new` = this call has written it."""

    path: str
    size: int
    sha256: str
    is_new: bool


def download(
    source: str,
    to: FilePath,
    *,
    root: RootPath = None,
    sha256: str | None = None,
    make_folders: bool = False,
    **options: Unpack[S3Options],
) -> S3Download:
    """Download an object, `s3://BUCKET/KEY`, to a file. At the path is a complete file, or what was there before.

    `sha256` = the checksum that the file must have, in hexadecimal. `root` = the folder that no path may leave. `make_folders=True` =
    create missing folders.

    Safe to run twice because the file is written under a temporary name, compared with the checksum that S3 has, flushed to the disk and
    renamed. A second call finds the same content, and changes nothing.

    Example:
        s3.download("s3://backups/2026/app.db.gz", "restore/app.db.gz", make_folders=True)

    Raises:
        S3ActionError: S3 refuses it, or the content has another checksum. S3UnavailableError: a retry can help.
        FileActionError, PathOutsideRootError: the file cannot be written. FileUnavailableError: the disk is full.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("s3.download")
    address = read_object_address(source)
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise OptionError(f"sha256={sha256[:80]!r} is not a checksum of 64 hexadecimal digits")
    target = read_target(to, root)
    client = make_client("s3.download", options)
    expected = None if sha256 is None else sha256.lower()
    with watch_stop_request("s3.download") as stop:
        return download_object(client, address, target, stop, sha256=expected, make_folders=make_folders)


download_async = in_thread(download)


def download_object(
    client: Any,
    address: S3Address,
    target: Target,
    stop: StopRequest,
    *,
    sha256: str | None = None,
    make_folders: bool = False,
) -> S3Download:
    """Download an object, unless the file has its content."""
    with (
        target.open(f"download {address} to", make_folders=make_folders) as place,
        describe_s3_errors("download", address),
        contextlib.ExitStack() as stack,
    ):
        head = find_head(client, address) or {}
        stop.report(0, head.get("ContentLength"))
        descriptor = stack.enter_context(open_temporary_file(place))
        digest = _find_same_file(client, address, head, place)
        is_new = digest is None
        if digest is None:
            digest = _fetch(client, address, head, descriptor, stop)
        if sha256 not in (None, digest):
            raise S3ActionError(
                f"{address} has the checksum {digest}, expected {sha256}",
                hint="Check sha256= and the address. Nothing was written to the path.",
            )
        if is_new:
            publish(place, descriptor, mode=choose_mode(place.status(), None), replace=True)
        else:
            sync_entry(place)
        return S3Download(target.absolute, int(head["ContentLength"]), digest, is_new)


def _find_same_file(client: Any, address: S3Address, head: dict[str, Any], place: Place) -> str | None:
    """Return the SHA-256 of the file at a place if it has the content of the object, else None."""
    status = place.status()
    if status is None or status.st_size != head.get("ContentLength"):
        return None
    with os.fdopen(place.open_file(), "rb", buffering=0) as file:
        content = FileContent(file.fileno(), DEFAULT_PART_BYTES)
        if not has_content(client, address, head, content):
            return None
        return content.digest(max(content.size, 1))[0].sha256.hex()


def _fetch(client: Any, address: S3Address, head: dict[str, Any], descriptor: int, stop: StopRequest) -> str:
    """Write the object of this head to a file; return the SHA-256.

    Raises:
        S3UnavailableError: the object was replaced during the download, the connection was lost, or bytes have changed on their way.
    """
    version = {"IfMatch": head["ETag"]} if "ETag" in head else {}
    reply = client.get_object(**address.names, **version)
    digest = write_all(descriptor, _read_body(reply["Body"], head.get("ContentLength"), stop))
    content = FileContent(descriptor, DEFAULT_PART_BYTES)
    is_complete = content.size == head.get("ContentLength")
    if not is_complete or (is_comparable(head) and not has_content(client, address, head, content)):
        raise S3UnavailableError(f"cannot download {address}: what was received has another checksum than the object")
    return digest


def _read_body(body: Any, total: int | None, stop: StopRequest) -> Iterator[bytes]:
    done = 0
    while chunk := body.read(CHUNK_BYTES):
        yield chunk
        done += len(chunk)
        stop.report(done, total)
