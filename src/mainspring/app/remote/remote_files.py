"""Remote files: those of a run of a project, over its API: the list, and downloads that continue after a broken connection.

Invariants: the target gets its name once all bytes have the SHA-256 of the list; bytes that arrived are not requested again, unless the
server sends the whole file.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx2
import msgspec

from mainspring.app.remote.api_errors import RETRYABLE_STATUSES, make_api_error
from mainspring.domain.errors import FileRefError, MainspringError, StoreUnavailableError
from mainspring.domain.runs.run_file import RunFile, choose_file
from mainspring.domain.text.escaping import escape
from mainspring.resources.file_copy import FileCopy

if TYPE_CHECKING:
    from mainspring.app.remote.client import Client

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_LONGEST_RETRY_AFTER_S: Final = 60
_WITHOUT_PROGRESS_S: Final = 120.0
"""The longest sum of pauses without a new byte."""
_TOO_MANY: Final = 429


class _RemoteFileList(msgspec.Struct, frozen=True):
    """The files of a run as the API returns them."""

    items: list[RunFile]


class _InterruptedError(Exception):
    """A request did not bring all bytes; trying again can help. `pause_s` = sooner is useless."""

    def __init__(self, error: MainspringError, pause_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_s = pause_s


async def list_remote_files(client: "Client", run_id: str) -> list[RunFile]:
    """Return the files of a run. Raises as `Client.read`."""
    document = await client.read(f"runs/{quote(run_id, safe='')}/files")
    return msgspec.convert(document, _RemoteFileList).items


async def save_remote_file(client: "Client", run_id: str, name: str | int, path: str | os.PathLike[str]) -> Path:
    """Write a file of a run to a path, and return the path. Raises as `RemoteHandle.save_file`."""
    file = choose_file(await list_remote_files(client, run_id), run_id, name)
    target = Path(path)
    with FileCopy(target) as copy:
        await _Download(client, run_id, file, copy).receive_all()
        await asyncio.to_thread(copy.finish, file.sha256, repr(escape(file.name, 100)))
    return target


class _Download:
    """One download, in as many requests as it takes."""

    def __init__(self, client: "Client", run_id: str, file: RunFile, copy: FileCopy) -> None:
        self._client = client
        self._file = file
        self._copy = copy
        # By the digest: the number of a file may change until the run ends.
        self._path = f"runs/{quote(run_id, safe='')}/files/{file.sha256}"
        self._tag = f'"{file.sha256}"'

    async def receive_all(self) -> None:
        """Receive all bytes. Raises the last error, if none came for long."""
        best, waited, pause = 0, 0.0, _FIRST_PAUSE_S
        while True:
            try:
                await self._receive()
            except _InterruptedError as interrupted:
                if self._copy.size > best:
                    best, waited, pause = self._copy.size, 0.0, _FIRST_PAUSE_S
                if waited >= _WITHOUT_PROGRESS_S:
                    raise interrupted.error from interrupted
                delay = max(pause, interrupted.pause_s)
                waited, pause = waited + delay, min(2 * pause, _LONGEST_PAUSE_S)
                await self._client.sleep(delay)
            else:
                return

    async def _receive(self) -> None:
        """Send one request for the bytes that are missing. Raises _InterruptedError: some are missing still."""
        headers = {"Accept": "application/octet-stream, application/problem+json", "Accept-Encoding": "identity"}
        if self._copy.size:
            headers |= {"Range": f"bytes={self._copy.size}-", "If-Range": self._tag}
        try:
            async with self._client.stream(self._path, headers) as response:
                await self._check_head(response)
                async for data in response.aiter_bytes():
                    await asyncio.to_thread(self._copy.write, data)
        except httpx2.RequestError as error:
            raise _InterruptedError(self._broken(type(error).__name__)) from error
        if self._copy.size < self._file.size:
            raise _InterruptedError(self._broken("the response ended early"))

    async def _check_head(self, response: httpx2.Response) -> None:
        """Prepare the copy for the body of a response. Raises _InterruptedError, or the error that the response is."""
        status = response.status_code
        if status not in (200, 206):
            error = make_api_error(status, await response.aread(), self._client.url)
            if status == _TOO_MANY or status in RETRYABLE_STATUSES:
                raise _InterruptedError(error, _read_retry_after(response))
            raise error
        tag = response.headers.get("etag", "").removeprefix("W/")
        if tag != self._tag:
            raise FileRefError(
                f"{self._client.url} sent another file than {escape(self._file.name, 100)!r} (ETag {escape(tag, 80)})",
                hint="Check that no proxy in between answers from a cache.",
            )
        if status == 200:
            self._copy.restart()
            return
        expected = f"bytes {self._copy.size}-{self._file.size - 1}/{self._file.size}"
        if response.headers.get("content-range") != expected:
            self._copy.restart()
            raise _InterruptedError(self._broken("it sent another range than the requested one"))

    def _broken(self, reason: str) -> MainspringError:
        return StoreUnavailableError(
            f"file {escape(self._file.name, 100)!r} did not arrive: {self._client.url}: {reason}",
            hint="Is `mainspring up` running there?",
        )


def _read_retry_after(response: httpx2.Response) -> float:
    """Return the seconds of Retry-After; 0 without a number."""
    text = response.headers.get("retry-after", "")
    return float(min(int(text), _LONGEST_RETRY_AFTER_S)) if text.isdecimal() and len(text) < 10 else 0.0
