"""Downloads: a file that is complete or absent, and that a later call continues."""

import asyncio
import contextlib
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import msgspec

from mainspring.actions.base.calling_thread import refuse_body
from mainspring.actions.files.file_errors import describe_errors
from mainspring.actions.files.place import read_target
from mainspring.actions.http.errors import HttpBodyError, HttpConnectionError
from mainspring.actions.http.exchange import OpenResponse, open_response, run_blocking
from mainspring.actions.http.part_file import SYNC_BYTES, PartFile, PartState, lock_part
from mainspring.actions.http.prepared_call import CallOptions, PreparedCall, prepare_call
from mainspring.domain.errors import OptionError
from mainspring.engine.attempts.step_context import CURRENT_STEP, progress

_NAME = "http.download"
_DEFAULTS: dict[str, Any] = {"timeout": "60s", "max_bytes": 10 * 1024**3}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416


class DownloadedFile(msgspec.Struct, frozen=True):
    """A complete file: `size` in bytes. `is_new` = this call has written it."""

    path: str
    size: int
    sha256: str
    is_new: bool


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    resume: bool = True,
    **options: Unpack[CallOptions],
) -> DownloadedFile:
    """Download a file to a path. At the path stands a complete file, or what was there before.

    `sha256` = its checksum in hexadecimal; with it, a file that is there already is not downloaded. `resume=False` starts from the
    beginning. `timeout=` is the longest silence of the target (60 s), not a limit of the whole. `max_bytes=` is 10 GiB.

    Safe to run twice because the file is written next to the path and renamed when it is complete. A call after a crash continues it
    if the target still has the same version (ETag). Two calls at once wait for each other.

    Example:
        http.download("https://example.com/data.csv", "data.csv", sha256=checksum)

    Raises:
        HttpBodyError: the checksum differs, or the file is larger than `max_bytes`.
        FileActionError: the file cannot be written. FileUnavailableError: the disk is full; the part is removed.
        MainspringError: a failure of the request, as `http.request` raises it.
    """
    return run_blocking(_NAME, lambda: download_async(url, path, sha256=sha256, resume=resume, **options))


async def download_async(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    resume: bool = True,
    **options: Unpack[CallOptions],
) -> DownloadedFile:
    """Download a file, as `download` does.

    Safe to run twice because the file is renamed when it is complete.
    """
    refuse_body(f"{_NAME}_async")
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise OptionError(f"sha256={sha256[:80]!r} is not a checksum of 64 hexadecimal digits")
    expected = None if sha256 is None else sha256.lower()
    defaults: Any = {**_DEFAULTS, **options}
    call = replace(prepare_call("GET", url, defaults), has_total_timeout=False)
    destination = _read_path(path)
    with describe_errors(f"download {call.secrets.hide(call.target.place)} to", str(destination), None):
        if (file := await asyncio.to_thread(_find_complete, destination, expected)) is not None:
            return file
        async with lock_part(destination) as part:
            if (file := await asyncio.to_thread(_find_complete, destination, expected)) is not None:
                part.discard()
                return file
            return await _Download(call, part, destination, expected).run(is_resumed=resume)


def _read_path(path: str | Path) -> Path:
    return Path(read_target(path, None).absolute)


def _find_complete(path: Path, sha256: str | None) -> DownloadedFile | None:
    """Return the file at the path if it has the checksum."""
    if sha256 is None or not path.is_file() or _hash(path) != sha256:
        return None
    return DownloadedFile(str(path), path.stat().st_size, sha256, is_new=False)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Download:
    """One download into its part."""

    def __init__(self, call: PreparedCall, part: PartFile, destination: Path, sha256: str | None) -> None:
        self._call = call
        self._part = part
        self._destination = destination
        self._sha256 = sha256
        self._call_hash = hashlib.sha256(msgspec.json.encode(call.identity)).hexdigest()

    async def run(self, *, is_resumed: bool) -> DownloadedFile:
        """Download, and start again from the beginning once if a continued part has another checksum."""
        state = self._part.find_state(self._call_hash) if is_resumed else None
        size = await self._fetch(state)
        if size is None:
            state, size = None, await self._fetch(None)
        digest = await asyncio.to_thread(self._part.hash)
        if state is not None and self._sha256 not in (None, digest):
            size = await self._fetch(None)
            digest = await asyncio.to_thread(self._part.hash)
        if self._sha256 not in (None, digest):
            self._part.discard()
            raise HttpBodyError(
                f"{self._call.place}: the file has the checksum {digest}, expected {self._sha256}",
                hint="Check sha256= and the address. Nothing was written to the path.",
            )
        await asyncio.to_thread(self._part.publish)
        return DownloadedFile(str(self._destination), size or 0, digest, is_new=True)

    async def _fetch(self, state: PartState | None) -> int | None:
        """Fetch the file, or its rest; return its size, None if the target does not have the rest."""
        headers = {"accept-encoding": "identity"}
        if state is not None:
            headers |= {"range": f"bytes={state.synced}-", "if-range": state.etag}
        limit = self._call.max_bytes - (0 if state is None else state.synced)
        call = replace(self._call, headers=self._call.headers | headers, max_bytes=max(limit, 1))
        async with open_response(call) as response:
            if state is not None and response.status == _NOT_SATISFIABLE:
                return None
            offset, total = _read_range(response, state)
            if response.status not in (call.expect if offset == 0 else (_PARTIAL,)) or (
                response.status == _PARTIAL and offset == 0
            ):
                raise await response.make_error()
            self._part.start(offset)
            try:
                size = await self._copy(response, offset, total)
            except (HttpBodyError, OSError):  # such as a full disk: the part would keep its space
                self._part.discard()
                raise
        if total is not None and size != total:
            raise HttpConnectionError(f"{self._call.place}: {size:,} bytes were received, expected {total:,}")
        return size

    async def _copy(self, response: OpenResponse, offset: int, total: int | None) -> int:
        """Write the body to the part, and save its state from time to time."""
        etag = _read_strong_etag(response)
        position = synced = offset
        try:
            async for chunk in response.read_chunks():
                self._part.write(chunk)
                position += len(chunk)
                if position - synced >= SYNC_BYTES:
                    synced = position
                    await asyncio.to_thread(self._part.save, self._make_state(etag, position))
                    _report(position, total)
        except BaseException:  # a lost connection or a cancel: the next call continues here
            with contextlib.suppress(OSError):
                self._part.save(self._make_state(etag, position))
            raise
        _report(position, total)
        return position

    def _make_state(self, etag: str | None, position: int) -> PartState | None:
        return None if etag is None else PartState(self._call_hash, etag, position)


def _read_range(response: OpenResponse, state: PartState | None) -> tuple[int, int | None]:
    """Return the offset of a response and the size of the whole file."""
    match = _CONTENT_RANGE.fullmatch(response.header("content-range") or "")
    if state is not None and response.status == _PARTIAL and match is not None and int(match[1]) == state.synced:
        return state.synced, int(match[3])
    length = response.header("content-length")
    is_plain = response.status == _OK and response.header("content-encoding") is None
    return 0, int(length) if is_plain and length is not None and length.isdecimal() else None


def _read_strong_etag(response: OpenResponse) -> str | None:
    """Return the version of the file, None if a later call cannot rely on it."""
    etag = response.header("etag")
    is_encoded = response.header("content-encoding") not in (None, "identity")
    return None if etag is None or etag.startswith("W/") or is_encoded else etag


def _report(done: int, total: int | None) -> None:
    if CURRENT_STEP.get() is not None:
        progress(done, total)
