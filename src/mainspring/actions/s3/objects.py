"""Objects of S3: put one, find it, compare its content."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Unpack

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.s3.object_content import ObjectContent, combine_etag, combine_sha256
from mainspring.actions.s3.s3_client import S3Options, make_client
from mainspring.actions.s3.s3_errors import describe_s3_errors, make_exists_error
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.integrations.s3.s3_address import S3Address, read_object_address
from mainspring.integrations.s3.s3_connection import is_missing, is_precondition_failed
from mainspring.store import failpoints

_MD5 = re.compile(r"[0-9a-f]{32}")


class S3Object(msgspec.Struct, frozen=True):
    """An object: `size` in bytes, its version if the bucket has versions. `is_new` = this call has written it."""

    address: str
    size: int
    etag: str
    version: str | None
    is_new: bool


class ObjectSettings(NamedTuple):
    """Settings of an object besides its content; None = not set by the call."""

    is_absent_required: bool
    content_type: str | None
    metadata: dict[str, str] | None

    @classmethod
    def read(cls, content_type: object, metadata: Mapping[str, str] | None, *, if_absent: bool) -> "ObjectSettings":
        """Return the settings. Raises OptionError if one cannot be used."""
        texts = [] if content_type is None else [content_type]
        for name, value in (metadata or {}).items():
            texts += [name, value]
        if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts):
            raise OptionError(
                "content_type= or metadata= is not printable ASCII", hint='Write such as metadata={"source": "app"}.'
            )
        names = None if metadata is None else {name.lower(): value for name, value in metadata.items()}
        return cls(if_absent, None if content_type is None else str(content_type), names)

    @property
    def creation(self) -> dict[str, Any]:
        """The settings that the request to create the object passes."""
        found = {"ContentType": self.content_type, "Metadata": self.metadata}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def condition(self) -> dict[str, str]:
        """The condition of the request that makes the object visible."""
        return {"IfNoneMatch": "*"} if self.is_absent_required else {}

    def are_in(self, head: dict[str, Any]) -> bool:
        """Return whether an object has these settings."""
        return self.content_type in (None, head.get("ContentType")) and self.metadata in (None, head.get("Metadata"))


def put(
    address: str,
    content: str | bytes,
    *,
    if_absent: bool = False,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **options: Unpack[S3Options],
) -> S3Object:
    """Put text or bytes into an object, `s3://BUCKET/KEY`. For a file use `s3.upload`.

    `if_absent=True` = never replace an object that has other content. `metadata` = names and values that S3 keeps with the object.

    Safe to run twice because S3 replaces an object as a whole, and its checksum is compared first: a second call sends nothing. With
    `if_absent=True`, S3 itself accepts one of several calls at once (`If-None-Match: *`), and the others compare what it has.

    Example:
        s3.put("s3://reports/2026/today.csv", text, content_type="text/csv", if_absent=True)

    Raises:
        S3ExistsError: with `if_absent=True` there is an object with other content.
        S3ActionError: S3 refuses it. S3UnavailableError: a retry can help.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("s3.put")
    target = read_object_address(address)
    if not isinstance(content, str | bytes):
        raise ArgumentError(f"content of s3.put is {type(content).__name__}", hint="Pass text or bytes.")
    data = content if isinstance(content, bytes) else content.encode()
    settings = ObjectSettings.read(content_type, metadata, if_absent=if_absent)
    client = make_client("s3.put", options)
    with describe_s3_errors("put", target):
        whole = ObjectContent.of_bytes(data)
        return find_same_object(client, target, whole, settings) or put_whole(client, target, whole, settings)


put_async = in_thread(put)


def put_whole(client: Any, target: S3Address, content: ObjectContent, settings: ObjectSettings) -> S3Object:
    """Put an object by one request.

    Raises:
        S3ExistsError: with the condition, another call was faster, with other content.
    """
    [part] = content.digest(max(content.size, 1))
    try:
        reply = client.put_object(
            **target.names,
            Body=content.read(0, content.size),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=part.checksum,
            **settings.creation,
            **settings.condition,
        )
    except Exception as error:
        found = find_winner(client, target, content, settings, error)
        if found is None:
            raise
        return found
    failpoints.hit("s3.written")
    return make_object(target, content, reply, is_new=True)


def find_winner(
    client: Any, target: S3Address, content: ObjectContent, settings: ObjectSettings, error: Exception
) -> S3Object | None:
    """Return the object of the call that was first, if `error` says that there is one; else None.

    Raises:
        S3ExistsError: it has other content.
    """
    if not is_precondition_failed(error):
        return None
    return find_same_object(client, target, content, settings)


def find_same_object(
    client: Any, target: S3Address, content: ObjectContent, settings: ObjectSettings
) -> S3Object | None:
    """Return the object if it has this content and these settings, else None.

    Raises:
        S3ExistsError: it is different, and must not be replaced.
    """
    head = find_head(client, target)
    if head is None:
        return None
    if has_content(client, target, head, content) and settings.are_in(head):
        return make_object(target, content, head, is_new=False)
    if settings.is_absent_required:
        raise make_exists_error(target)
    return None


def find_head(client: Any, target: S3Address) -> dict[str, Any] | None:
    """Return what S3 says about an object, None without one."""
    try:
        head: dict[str, Any] = client.head_object(**target.names, ChecksumMode="ENABLED")
    except Exception as error:
        if not is_missing(error):
            raise
        return None
    return head


def has_content(client: Any, target: S3Address, head: dict[str, Any], content: ObjectContent) -> bool:
    """Return whether an object has this content, by its checksum."""
    if head.get("ContentLength") != content.size:
        return False
    is_in_parts, part_size = read_part_size(client, target, head)
    parts = content.digest(part_size)
    checksum = head.get("ChecksumSHA256")
    if checksum:
        return bool(checksum.partition("-")[0] == combine_sha256(parts, is_in_parts=is_in_parts))
    return bool(head.get("ETag", "").strip('"') == combine_etag(parts, is_in_parts=is_in_parts))


def is_comparable(head: dict[str, Any]) -> bool:
    """Return whether the checksums of an object can be computed: not those of a server's own key, or of parts of any size."""
    if "ChecksumSHA256" in head:
        return True
    is_sealed = "kms" in head.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in head
    return not is_sealed and _MD5.fullmatch(head.get("ETag", "").strip('"')) is not None


def read_part_size(client: Any, target: S3Address, head: dict[str, Any]) -> tuple[bool, int]:
    """Return whether an object was uploaded in parts, and the size of its first part, else of the whole."""
    if "-" not in head.get("ETag", ""):
        return False, max(int(head["ContentLength"]), 1)
    first = client.head_object(**target.names, PartNumber=1)
    return True, max(int(first["ContentLength"]), 1)


def make_object(target: S3Address, content: ObjectContent, reply: dict[str, Any], *, is_new: bool) -> S3Object:
    """Return the object that a reply describes."""
    return S3Object(str(target), content.size, reply.get("ETag", "").strip('"'), reply.get("VersionId"), is_new)
