"""Uploads of files to S3: in one request, or in parts that a later call resumes.

Invariants: S3 lists the parts that it has, and only an upload whose parts all equal those of the file is resumed; when it is completed, S3
compares the hash of each part again.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Unpack

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.stop_request import StopRequest, watch_stop_request
from mainspring.actions.files.file_errors import FileUnavailableError
from mainspring.actions.files.place import FilePath, RootPath, Target, read_target
from mainspring.actions.s3.object_content import (
    DEFAULT_PART_BYTES,
    FileContent,
    PartDigest,
    has_part,
)
from mainspring.actions.s3.objects import (
    ObjectSettings,
    S3Object,
    find_same_object,
    find_winner,
    make_object,
    put_whole,
)
from mainspring.actions.s3.s3_client import S3Options, make_client
from mainspring.actions.s3.s3_errors import S3UnavailableError, describe_s3_errors
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.domain.failures.verdict import FailureKind
from mainspring.integrations.s3.s3_address import S3Address, read_object_address
from mainspring.integrations.s3.s3_connection import read_error_code
from mainspring.store import failpoints
from mainspring.triggers.files.folder import printable_path

_LOST_UPLOAD = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder"})
_NO_LISTING = frozenset({"AccessDenied", "403", "NotImplemented", "MethodNotAllowed"})


def upload(
    source: FilePath,
    to: str,
    *,
    root: RootPath = None,
    if_absent: bool = False,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    part_size: int = DEFAULT_PART_BYTES,
    **options: Unpack[S3Options],
) -> S3Object:
    """Upload a file to an object, `s3://BUCKET/KEY`; a file larger than `part_size` (16 MiB) in parts.

    `root` = the folder that `source` may not leave. `if_absent=True` = never replace an object that has other content.

    Safe to run twice because S3 shows an object only when it is complete, and its checksum is compared first: a second call sends nothing.
    A call after a crash asks S3 for the parts that it has, and sends the rest, unless `content_type` or `metadata` is set. With
    `if_absent=True`, S3 itself accepts one of several calls at once.

    Example:
        s3.upload("backups/app.db.gz", "s3://backups/2026/app.db.gz", if_absent=True)

    Raises:
        S3ExistsError: with `if_absent=True` there is an object with other content.
        S3ActionError: S3 refuses it. S3UnavailableError: a retry can help.
        FileActionError, PathOutsideRootError: the file cannot be read. FileUnavailableError: another program writes to it.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("s3.upload")
    address = read_object_address(to)
    settings = ObjectSettings.read(content_type, metadata, if_absent=if_absent)
    client = make_client("s3.upload", options)
    target = read_target(source, root)
    with watch_stop_request("s3.upload") as stop:
        return upload_file(client, target, address, settings, stop, part_size=part_size)


upload_async = in_thread(upload)


def upload_file(
    client: Any,
    source: Target,
    address: S3Address,
    settings: ObjectSettings,
    stop: StopRequest,
    *,
    part_size: int = DEFAULT_PART_BYTES,
) -> S3Object:
    """Upload a file, unless the object has its content."""
    with (
        source.open("upload") as place,
        open(place.open_file(), "rb", buffering=0) as file,  # noqa: PTH123 - an open descriptor
        describe_s3_errors(f"upload {printable_path(place.text)} to", address),
    ):
        content = FileContent(file.fileno(), part_size)
        found = find_same_object(client, address, content, settings)
        if found is not None:
            return found
        if not content.is_in_parts:
            return put_whole(client, address, content, settings)
        return _PartsUpload(client, place.text, address, content, settings).run(stop)


class _PartsUpload:
    """The upload of one file in parts."""

    def __init__(
        self, client: Any, path: str, address: S3Address, content: FileContent, settings: ObjectSettings
    ) -> None:
        self._client = client
        self._path = path
        self._address = address
        self._content = content
        self._settings = settings
        self._parts = content.digest(content.part_size)

    def run(self, stop: StopRequest) -> S3Object:
        """Upload what S3 does not have. If another call has ended the upload, begin another one, once."""
        for _ in range(2):
            stop.report(0, self._content.size)
            upload, uploaded = self._find_upload() or (self._create(), {})
            try:
                return self._finish(upload, uploaded, stop)
            except BaseException as error:
                if not isinstance(error, Exception) or read_error_code(error) not in _LOST_UPLOAD:
                    if not _is_resumable(error):
                        self._abort(upload)
                    raise
            same = find_same_object(self._client, self._address, self._content, self._settings)
            if same is not None:
                return same
        raise S3UnavailableError(f"another call uploads to {self._address} at the same time, and each ends the other's")

    def _create(self) -> str:
        reply = self._client.create_multipart_upload(
            **self._address.names, ChecksumAlgorithm="SHA256", **self._settings.creation
        )
        failpoints.hit("s3.created")
        return str(reply["UploadId"])

    def _find_upload(self) -> tuple[str, dict[int, str]] | None:
        """Return an upload of an earlier call, and the ETags of the parts that S3 has; None if no upload is one of this file.

        An upload with settings of its own is never resumed: S3 does not say which ones an upload has.
        """
        if self._settings.creation:
            return None
        try:
            for upload in self._list_uploads():
                parts = self._list_parts(upload)
                if parts is not None:
                    return upload, parts
        except Exception as error:
            if read_error_code(error) not in _NO_LISTING:
                raise
        return None

    def _list_uploads(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._address.bucket, Prefix=self._address.key
        )
        for page in pages:
            for found in page.get("Uploads") or ():
                if found["Key"] == self._address.key and found.get("ChecksumAlgorithm", "SHA256") == "SHA256":
                    yield found["UploadId"]

    def _list_parts(self, upload: str) -> dict[int, str] | None:
        """Return the ETags of the parts of an upload; None if one is not a part of this file, or the upload has ended."""
        found: dict[int, str] = {}
        try:
            pages = self._client.get_paginator("list_parts").paginate(**self._address.names, UploadId=upload)
            for page in pages:
                for part in page.get("Parts") or ():
                    number = part["PartNumber"]
                    if number > len(self._parts) or not has_part(part, self._parts[number - 1]):
                        return None
                    found[number] = part["ETag"]
        except Exception as error:
            if read_error_code(error) not in _LOST_UPLOAD:
                raise
            return None
        return found

    def _finish(self, upload: str, uploaded: dict[int, str], stop: StopRequest) -> S3Object:
        """Upload the missing parts, and complete the upload."""
        for number, part in enumerate(self._parts, 1):
            stop.raise_if_set()
            if number not in uploaded:
                uploaded[number] = self._upload_part(upload, number, part)
                failpoints.hit("s3.part_uploaded")
            stop.report(part.offset + part.size, self._content.size)
        if not self._content.is_unchanged():
            raise FileUnavailableError(f"cannot upload {printable_path(self._path)}: another program writes to it")
        return self._complete(upload, uploaded)

    def _upload_part(self, upload: str, number: int, part: PartDigest) -> str:
        reply = self._client.upload_part(
            **self._address.names,
            UploadId=upload,
            PartNumber=number,
            Body=self._content.read(part.offset, part.size),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=part.checksum,
        )
        return str(reply["ETag"])

    def _complete(self, upload: str, uploaded: dict[int, str]) -> S3Object:
        parts = [
            {"PartNumber": number, "ETag": uploaded[number], "ChecksumSHA256": part.checksum}
            for number, part in enumerate(self._parts, 1)
        ]
        try:
            reply = self._client.complete_multipart_upload(
                **self._address.names, UploadId=upload, MultipartUpload={"Parts": parts}, **self._settings.condition
            )
        except Exception as error:
            found = find_winner(self._client, self._address, self._content, self._settings, error)
            if found is None:
                raise
            self._abort(upload)
            return found
        failpoints.hit("s3.written")
        return make_object(self._address, self._content, reply, is_new=True)

    def _abort(self, upload: str) -> None:
        """Remove the parts. The reason that the upload ends matters more than a failure of this."""
        try:
            self._client.abort_multipart_upload(**self._address.names, UploadId=upload)
        except Exception:  # noqa: BLE001 - see above
            return


def _is_resumable(error: BaseException) -> bool:
    """Return whether a later call may resume the upload: not after a cancel, a refusal, or a change of the file."""
    if not isinstance(error, Exception) or isinstance(error, FileUnavailableError):
        return False
    return DEFAULT_CLASSIFIER.classify(error).kind is not FailureKind.PERMANENT
