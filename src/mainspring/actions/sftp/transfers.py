"""Transfers of files by SFTP: each target is complete, or what was there before.

Invariant: the temporary name of an upload is that of its target and its content, so that two calls that write to one temporary file write
the same bytes, and a call after a crash writes over what the killed one left.
"""

import asyncio
import contextlib
import hashlib
import os
import posixpath
import re
from collections.abc import AsyncIterator
from typing import Any, Unpack

import msgspec

from mainspring.actions.base.sent_once import repeat, repeat_async
from mainspring.actions.files.content import choose_mode, publish, sync_entry
from mainspring.actions.files.file_errors import FileUnavailableError
from mainspring.actions.files.place import FilePath, Place, RootPath, Target, read_target
from mainspring.actions.files.temporary import open_temporary_file
from mainspring.actions.sftp.sftp_connection import (
    SftpOptions,
    SftpSession,
    open_sftp,
    read_login,
    read_sftp_address,
)
from mainspring.actions.sftp.sftp_errors import SftpActionError, SftpUnavailableError
from mainspring.domain.errors import OptionError
from mainspring.domain.ids import hash_parts
from mainspring.engine.attempts.step_context import CURRENT_STEP, progress
from mainspring.store import failpoints
from mainspring.triggers.files.file_archive import has_content
from mainspring.triggers.files.folder import CHUNK_BYTES, FileStamp, printable_path

_TRIES = 5
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WRITE_FLAGS = 0x02 | 0x08
"""Write and create, as version 3 of the protocol numbers them: without truncation."""


class SftpFile(msgspec.Struct, frozen=True):
    """A complete file at its address or path: `size` in bytes. `is_new` = this call has written it."""

    path: str
    size: int
    sha256: str
    is_new: bool


def put(
    source: FilePath, to: str, *, root: RootPath = None, make_folders: bool = False, **options: Unpack[SftpOptions]
) -> SftpFile:
    """Put a file on a server, at `sftp://USER@HOST/PATH`. Other programs find the old file or the new one, never a part.

    `root` = the folder that `source` may not leave. `make_folders=True` = create missing folders on the server.

    Safe to run twice because the file is written under a temporary name, flushed if the server can, and renamed over the target. A second
    call writes the same content. A call after a crash uses the same temporary name.

    Example:
        sftp.put("report.csv", "sftp://ann@files.example.com/in/report.csv", password="secret:FILES")

    Raises:
        SftpHostKeyError: the key of the server is not known, or another one. Nothing was sent.
        SftpActionError: the server refuses it. SftpUnavailableError: a retry can help.
        FileActionError, PathOutsideRootError: the file cannot be read. FileUnavailableError: another program writes to it.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    call = _Put(source, to, root, make_folders, options)
    return repeat("sftp.put", call.run)


async def put_async(
    source: FilePath, to: str, *, root: RootPath = None, make_folders: bool = False, **options: Unpack[SftpOptions]
) -> SftpFile:
    """Put a file on a server, as `put` does, in an event loop.

    Safe to run twice because the file is renamed when it is complete.
    """
    call = _Put(source, to, root, make_folders, options)
    return await repeat_async("sftp.put", call.run)


def get(
    source: str,
    to: FilePath,
    *,
    root: RootPath = None,
    sha256: str | None = None,
    make_folders: bool = False,
    **options: Unpack[SftpOptions],
) -> SftpFile:
    """Get a file from a server, `sftp://USER@HOST/PATH`. At the path is a complete file, or what was there before.

    `sha256` = the checksum that the file must have, in hexadecimal. `root` = the folder that `to` may not leave.

    Safe to run twice because the file is written under a temporary name, flushed to the disk and renamed. A second call that receives the
    same content changes nothing.

    Example:
        sftp.get("sftp://ann@files.example.com/out/orders.csv", "orders.csv", password="secret:FILES")

    Raises:
        SftpHostKeyError: the key of the server is not known, or another one.
        SftpActionError: the server refuses it, or the checksum differs. SftpUnavailableError: a retry can help.
        FileActionError, PathOutsideRootError: the file cannot be written. FileUnavailableError: the disk is full.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    call = _Get(source, to, root, sha256, make_folders, options)
    return repeat("sftp.get", call.run)


async def get_async(
    source: str,
    to: FilePath,
    *,
    root: RootPath = None,
    sha256: str | None = None,
    make_folders: bool = False,
    **options: Unpack[SftpOptions],
) -> SftpFile:
    """Get a file from a server, as `get` does, in an event loop.

    Safe to run twice because the file is renamed when it is complete.
    """
    call = _Get(source, to, root, sha256, make_folders, options)
    return await repeat_async("sftp.get", call.run)


def temporary_path(path: str, sha256: str) -> str:
    """Return the temporary path of an upload of content with this checksum."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".mainspring-{hash_parts(name.encode(), sha256.encode())[:24]}.part")


class _Put:
    """One upload."""

    def __init__(self, source: FilePath, to: str, root: RootPath, make_folders: object, options: SftpOptions) -> None:
        self._source = read_target(source, root)
        self._address = read_sftp_address(to)
        self._login = read_login("sftp.put", self._address, options)
        self._make_folders = bool(make_folders)

    async def run(self) -> SftpFile:
        """Put the file."""
        with self._source.open("put") as place, os.fdopen(place.open_file(), "rb", buffering=0) as file:
            before = FileStamp.of(os.fstat(file.fileno()))
            sha256 = await asyncio.to_thread(lambda: hashlib.file_digest(file, "sha256").hexdigest())
            async with open_sftp(self._address, self._login, "put to") as session:
                folder = posixpath.dirname(self._address.path)
                if self._make_folders and folder:
                    await session.call(session.client.makedirs(folder, exist_ok=True))
                part = temporary_path(self._address.path, sha256)
                async with session.removing(part):
                    for _ in range(_TRIES):
                        await self._write(session, part, file.fileno(), before.size)
                        if FileStamp.of(os.fstat(file.fileno())) != before:
                            raise FileUnavailableError(
                                f"cannot put {printable_path(place.text)}: another program writes to it"
                            )
                        failpoints.hit("sftp.written")
                        if await self._publish(session, part):
                            failpoints.hit("sftp.published")
                            return SftpFile(str(self._address), before.size, sha256, is_new=True)
        raise SftpUnavailableError(f"cannot put to {self._address}: another program has removed {part} {_TRIES} times")

    async def _write(self, session: SftpSession, part: str, descriptor: int, size: int) -> None:
        """Write the file to its temporary name, and flush it if the server can."""
        import asyncssh

        file: Any = await session.call(session.client.open(part, _WRITE_FLAGS, encoding=None))
        for offset in range(0, size, CHUNK_BYTES):
            data = await asyncio.to_thread(os.pread, descriptor, min(CHUNK_BYTES, size - offset), offset)
            await session.call(file.write(data, offset))
            _report(offset + len(data), size)
        await session.call(file.truncate(size))
        with contextlib.suppress(asyncssh.SFTPOpUnsupported):
            await session.call(file.fsync())
        found = (await session.call(file.stat())).size
        await session.call(file.close())
        if found != size:
            raise SftpUnavailableError(f"cannot put to {self._address}: the server has {found} bytes, expected {size}")

    async def _publish(self, session: SftpSession, part: str) -> bool:
        """Give the temporary file its name; return False if it is gone: another call with the same content had it, too.

        Raises:
            SftpActionError: the server cannot replace a file in one step.
        """
        import asyncssh

        path, client = self._address.path, session.client
        try:
            await session.call(client.posix_rename(part, path))
        except asyncssh.SFTPOpUnsupported:
            if await session.call(client.exists(path)):
                raise SftpActionError(
                    f"cannot replace {self._address}: the server cannot rename over a file",
                    hint="Put it under a new name, or remove the old file first.",
                ) from None
            await session.call(client.rename(part, path))
        except asyncssh.SFTPNoSuchFile:
            return False
        return True


class _Get:
    """One download."""

    def __init__(
        self,
        source: str,
        to: FilePath,
        root: RootPath,
        sha256: str | None,
        make_folders: object,
        options: SftpOptions,
    ) -> None:
        if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
            raise OptionError(f"sha256={sha256[:80]!r} is not a checksum of 64 hexadecimal digits")
        self._address = read_sftp_address(source)
        self._target = read_target(to, root)
        self._login = read_login("sftp.get", self._address, options)
        self._sha256 = None if sha256 is None else sha256.lower()
        self._make_folders = bool(make_folders)

    async def run(self) -> SftpFile:
        """Get the file."""
        async with (
            open_sftp(self._address, self._login, "get") as session,
            _open_place(self._target, str(self._address), make_folders=self._make_folders) as (place, part),
        ):
            size, sha256 = await self._fetch(session, part)
            if self._sha256 not in (None, sha256):
                raise SftpActionError(
                    f"{self._address} has the checksum {sha256}, expected {self._sha256}",
                    hint="Check sha256= and the address. Nothing was written to the path.",
                )
            is_new = await asyncio.to_thread(_publish_file, place, part, size, sha256)
        return SftpFile(self._target.absolute, size, sha256, is_new)

    async def _fetch(self, session: SftpSession, part: int) -> tuple[int, str]:
        """Write the file to its temporary name; return size and SHA-256."""
        digest, done = hashlib.sha256(), 0
        file: Any = await session.call(session.client.open(self._address.path, "rb", encoding=None))
        before = await session.call(file.stat())
        while data := await session.call(file.read(CHUNK_BYTES, done)):
            digest.update(data)
            await asyncio.to_thread(_write_all, part, data)
            done += len(data)
            _report(done, before.size)
        after = await session.call(file.stat())
        if done != after.size or (before.size, before.mtime) != (after.size, after.mtime):
            raise SftpUnavailableError(f"cannot get {self._address}: another program writes to it")
        return done, digest.hexdigest()


@contextlib.asynccontextmanager
async def _open_place(target: Target, address: str, *, make_folders: bool) -> AsyncIterator[tuple[Place, int]]:
    """Open the place of a file and its temporary file; waiting for another call does not block the loop."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(target.open(f"get {address} to", make_folders=make_folders))
        yield place, await asyncio.to_thread(stack.enter_context, open_temporary_file(place))


def _publish_file(place: Place, part: int, size: int, sha256: str) -> bool:
    """Give the temporary file its name, unless the file there has the same content; return whether it got it."""
    status = place.status()
    if status is not None and has_content(place.name, place.folder, sha256, size):
        sync_entry(place)
        return False
    publish(place, part, mode=choose_mode(status, None), replace=True)
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _report(done: int, total: int | None) -> None:
    if CURRENT_STEP.get() is not None:
        progress(done, total)
