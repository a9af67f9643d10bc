"""Sync of a folder and a prefix of S3, in one direction: what differs is copied; what only the target has stays, unless `delete=True`."""

import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.stop_request import StopRequest, watch_stop_request
from mainspring.actions.files.entries import remove
from mainspring.actions.files.file_errors import FileActionError, describe_errors
from mainspring.actions.files.folder_tree import walk_folder
from mainspring.actions.files.place import FilePath, RootPath, Target, folder_target, make_folder
from mainspring.actions.files.temporary import is_temporary
from mainspring.actions.s3.downloads import download_object
from mainspring.actions.s3.objects import ObjectSettings
from mainspring.actions.s3.s3_client import S3Options, make_client
from mainspring.actions.s3.s3_errors import S3ActionError, describe_s3_errors
from mainspring.actions.s3.uploads import upload_file
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.integrations.s3.s3_address import SCHEME, S3Address, read_prefix_address
from mainspring.triggers.files.folder import printable_path

_MAX_NAMES = 100
_MAX_NAME_BYTES = 255
_MAX_PER_DELETION = 1_000
_MOST_AT_ONCE = 32
_PLAIN = ObjectSettings(is_absent_required=False, content_type=None, metadata=None)


class S3Sync(msgspec.Struct, frozen=True):
    """The result of a sync: how many files were copied, how many had the same content, how many were deleted.

    `names` = the copied and the deleted below the folder, the first 100 of them. Of a dry run: those that differ in size, and those that
    would be deleted.
    """

    copied: int
    unchanged: int
    deleted: int
    names: list[str]


class _SyncPlan(NamedTuple):
    """The names at both sides, with their sizes."""

    source: dict[str, int]
    target: dict[str, int]

    @property
    def surplus(self) -> list[str]:
        """The names that only the target has."""
        return sorted(self.target.keys() - self.source.keys())


def sync(
    source: FilePath,
    to: FilePath,
    *,
    delete: bool = False,
    dry_run: bool = False,
    concurrency: int = 8,
    root: RootPath = None,
    **options: Unpack[S3Options],
) -> S3Sync:
    """Copy what differs from a folder to a prefix `s3://BUCKET/PREFIX`, or from a prefix to a folder.

    `delete=True` = also delete what is only at the target; if the source is empty, that is an error. `dry_run=True` = change nothing: files
    whose size is the same are not compared. `concurrency` = files at once. `root` = the folder that the folder may not leave.

    Safe to run twice because a file is compared by its checksum before it is copied: a second call, or one after a crash, copies only what
    still differs. Nothing is deleted before everything is copied.

    Example:
        s3.sync("site", "s3://www.example.com/site", delete=True)

    Raises:
        S3ActionError: S3 refuses it, or a key is no name of a file. S3UnavailableError: a retry can help.
        FileActionError, PathOutsideRootError: the folder cannot be read or written, or has an entry that S3 cannot have.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("s3.sync")
    if not 1 <= concurrency <= _MOST_AT_ONCE:
        raise OptionError(f"concurrency={concurrency}: expected 1 to {_MOST_AT_ONCE}")
    places = [os.fspath(place) if not isinstance(place, str) else place for place in (source, to)]
    is_address = [str(place).startswith(SCHEME) for place in places]
    if is_address[0] == is_address[1]:
        raise ArgumentError(
            "s3.sync needs one folder and one address of S3", hint='Write such as s3.sync("site", "s3://bucket/site").'
        )
    address = read_prefix_address(places[0] if is_address[0] else places[1])
    folder = folder_target(to if is_address[0] else source, root)
    client = make_client("s3.sync", options)
    side = _Download(client, address, folder) if is_address[0] else _Upload(client, address, folder)
    with describe_s3_errors("sync", address):
        return side.run(concurrency, is_deleted=delete, is_dry_run=dry_run)


sync_async = in_thread(sync)


class _Sync:
    """One sync. Subclasses know the direction."""

    def __init__(self, client: Any, address: S3Address, folder: Target) -> None:
        self._client = client
        self._prefix = S3Address(address.bucket, f"{address.key.rstrip('/')}/" if address.key.strip("/") else "")
        self._folder = folder

    def run(self, concurrency: int, *, is_deleted: bool, is_dry_run: bool) -> S3Sync:
        """Copy what differs, then with `is_deleted` delete what only the target has."""
        plan = self.make_plan()
        if is_deleted and plan.target and not plan.source:
            raise S3ActionError(
                f"cannot sync {self._prefix}: the source is empty, and delete=True would delete all of the target",
                hint="Check that the source is the right one, and there. To empty the target, delete its files yourself.",
            )
        surplus = plan.surplus if is_deleted else []
        names = sorted(plan.source)
        if is_dry_run:
            changed = [name for name in names if plan.source[name] != plan.target.get(name)]
        else:
            changed = list(self._copy_all(names, concurrency))
            self.delete_names(surplus)
        listed = [printable_path(name) for name in [*changed, *surplus][:_MAX_NAMES]]
        return S3Sync(len(changed), len(names) - len(changed), len(surplus), listed)

    def _copy_all(self, names: list[str], concurrency: int) -> Iterator[str]:
        """Copy the files of these names, and yield those that differed. After an error no further copy begins."""
        with (
            watch_stop_request("s3.sync") as stop,
            ThreadPoolExecutor(concurrency, thread_name_prefix="mainspring-s3") as threads,
        ):
            copies = [threads.submit(self.copy_file, name, stop.without_progress()) for name in names]
            try:
                for number, (name, copy) in enumerate(zip(names, copies, strict=True), 1):
                    if copy.result():
                        yield name
                    stop.report(number, len(names))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def make_plan(self) -> _SyncPlan:
        """Return what both sides have."""
        raise NotImplementedError

    def copy_file(self, name: str, stop: StopRequest) -> bool:
        """Copy a file, unless the target has its content; return whether it was copied."""
        raise NotImplementedError

    def delete_names(self, names: list[str]) -> None:
        """Delete these at the target."""
        raise NotImplementedError

    def address_of(self, name: str) -> S3Address:
        """Return the address of a file."""
        return S3Address(self._prefix.bucket, f"{self._prefix.key}{name}")

    def list_objects(self) -> Iterator[tuple[str, int]]:
        """Yield the keys below the prefix, without it, and their sizes. What stands for a folder is left out."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._prefix.bucket, Prefix=self._prefix.key
        )
        for page in pages:
            for found in page.get("Contents") or ():
                if not found["Key"].endswith("/"):
                    yield found["Key"].removeprefix(self._prefix.key), found["Size"]

    def list_files(self) -> Iterator[tuple[str, int]]:
        """Yield the files of the folder and their sizes. Raises FileActionError for an entry that S3 cannot have."""
        for entry in walk_folder(self._folder.base, self._folder.parts):
            mode = entry.status.st_mode
            if stat.S_ISREG(mode):
                yield entry.path, entry.status.st_size
            elif not stat.S_ISDIR(mode):
                raise FileActionError(
                    f"cannot sync {printable_path(self._folder.text)}: "
                    f"{printable_path(entry.path)} is a link, a pipe or a device",
                    hint="Remove it from the folder, or sync another folder.",
                )

    def target_of(self, name: str) -> Target:
        """Return the place of a file, which no link leads out of the folder."""
        folder = self._folder
        return Target(folder.base, (*folder.parts, *name.split("/")), f"{folder.text.rstrip('/')}/{name}", folder.base)


class _Upload(_Sync):
    """From a folder to a prefix."""

    def make_plan(self) -> _SyncPlan:
        with describe_errors("sync", self._folder.text, self._folder.root):
            files = dict(self.list_files())
        for name in files:
            read_prefix_address(f"{SCHEME}{self._prefix.bucket}/{self._prefix.key}{name}")
        return _SyncPlan(files, dict(self.list_objects()))

    def copy_file(self, name: str, stop: StopRequest) -> bool:
        return upload_file(self._client, self.target_of(name), self.address_of(name), _PLAIN, stop).is_new

    def delete_names(self, names: list[str]) -> None:
        for start in range(0, len(names), _MAX_PER_DELETION):
            keys = [{"Key": self.address_of(name).key} for name in names[start : start + _MAX_PER_DELETION]]
            reply = self._client.delete_objects(Bucket=self._prefix.bucket, Delete={"Objects": keys, "Quiet": True})
            for error in reply.get("Errors") or ():
                raise S3ActionError(
                    f"cannot delete {S3Address(self._prefix.bucket, error['Key'])}: {error.get('Code')}",
                    hint="Allow the user or role: s3:DeleteObject.",
                )


class _Download(_Sync):
    """From a prefix to a folder."""

    def make_plan(self) -> _SyncPlan:
        objects = dict(self.list_objects())
        _require_file_names(self._prefix, objects)
        with describe_errors("sync", self._folder.text, self._folder.root):
            files = dict(self.list_files()) if Path(self._folder.absolute).is_dir() else {}
        return _SyncPlan(objects, files)

    def _copy_all(self, names: list[str], concurrency: int) -> Iterator[str]:
        if self._folder.root is None:
            with describe_errors("sync", self._folder.text, self._folder.root):
                make_folder(Path(self._folder.base))
        yield from super()._copy_all(names, concurrency)

    def copy_file(self, name: str, stop: StopRequest) -> bool:
        target = self.target_of(name)
        return download_object(self._client, self.address_of(name), target, stop, make_folders=True).is_new

    def delete_names(self, names: list[str]) -> None:
        for name in names:
            remove("/".join(self.target_of(name).parts), root=self._folder.base)


def _require_file_names(prefix: S3Address, names: Iterable[str]) -> None:
    """Refuse keys that are no names of files below a folder. Raises S3ActionError."""
    known = set(names)
    for name in sorted(known):
        parts = name.split("/")
        problem = None
        if any(part in ("", ".", "..") for part in parts) or "\0" in name:
            problem = "leads out of the folder, or has an empty name"
        elif any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in parts):
            problem = f"has a name of more than {_MAX_NAME_BYTES} bytes"
        elif any(is_temporary(part) for part in parts):
            problem = "has a name that actions use for temporary files"
        elif any("/".join(parts[:count]) in known for count in range(1, len(parts))):
            problem = "is below a key that is a file"
        if problem is not None:
            raise S3ActionError(
                f"cannot sync {prefix}: the key {printable_path(name)!r} {problem}",
                hint="Rename or delete this object, or sync another prefix. Nothing was copied.",
            )
