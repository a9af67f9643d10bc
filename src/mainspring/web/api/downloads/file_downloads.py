"""Downloads of files: the open ones of this process, their limits, and the threads that read chunks for them.

Invariants: an open download holds no request slot, and their number has its own limit; the place of one is free again when its response
ends, for any reason.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import FileRefError
from mainspring.domain.values.stored_file import StoredFile, StoreFileChunks, describe_name
from mainspring.service.runs.file_download import record_download
from mainspring.web.api.call import ApiCall, HandlerContext
from mainspring.web.api.downloads.byte_range import ByteRange, find_range
from mainspring.web.api.downloads.content_disposition import make_disposition
from mainspring.web.api.downloads.download_response import DownloadResponse, DownloadSource
from mainspring.web.api.problem import build_problem
from mainspring.web.api.problem_response import problem_response
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.server.request_slots import release_slot

MOST: Final = 16
"""Downloads at a time. Each has a chunk of 4 MiB in memory. The server accepts this many connections more (web/process.py)."""
MOST_OF_ONE: Final = 8
"""The limit for one visitor."""
_THREADS: Final = 8
_RETRY_AFTER_MS: Final = 5_000
_LOG = logging.getLogger("mainspring.web.api")
_SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"


class FileDownloads:
    """The downloads of one process. Used in the loop's thread."""

    def __init__(self, site: HandlerContext) -> None:
        self._site = site
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mainspring-downloads")
        self._open: dict[DownloadResponse, str] = {}
        """The visitor of each."""
        self._is_closed = False

    @property
    def open(self) -> int:
        """The number of open downloads."""
        return len(self._open)

    def respond(
        self,
        request: Request,
        call: ApiCall[Any, Any],
        run: str,
        file: StoredFile,
        check: Callable[[], Awaitable[Visitor]],
    ) -> Response:
        """Return the response that sends a file of a run, or a part of it. Raises ApiError: too many downloads are open.

        `check` = raises ApiError if the visitor has lost the right to the file.
        """
        tag = f'"{file.sha256}"'
        part = find_range(request.headers.get("range"), request.headers.get("if-range"), tag, file.size)
        if request.method == "HEAD":
            return Response(None, 200, _make_headers(file, ByteRange(0, file.size, file.size), tag))
        if part is None:
            problem = build_problem(416, "bad_range", f"the file has {file.size} bytes, and none is in the range")
            response = problem_response(problem)
            response.headers["Content-Range"] = f"bytes */{file.size}"
            return response
        source = DownloadSource(
            subject=f"file {describe_name(file)} of run {run}",
            part=part,
            chunk_size=file.chunk_size,
            read_chunk=lambda index: self._in_thread(self._read_chunk, file, index),
            record=lambda: self._in_thread(self._record, call, run, file, part),
            check=check,
        )
        download = DownloadResponse(source, _make_headers(file, part, tag), lambda: self._open.pop(download, None))
        self._take_place(download, str(call.visitor))
        release_slot(request.scope)
        return download

    def close(self) -> None:
        """End all downloads: their clients continue at another process, or when this one is back."""
        self._is_closed = True
        for download in self._open:
            download.end()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _take_place(self, download: DownloadResponse, name: str) -> None:
        if self._is_closed:
            problem = build_problem(
                503, "ending", "this process is stopping: send the request again", retry_after_ms=1_000
            )
            raise ApiError(problem)
        if len(self._open) >= MOST or Counter(self._open.values())[name] >= MOST_OF_ONE:
            detail = f"{name} has {MOST_OF_ONE} open downloads, or this process {MOST}"
            raise ApiError(
                build_problem(
                    429, "too_many_downloads", detail, hint="Wait until one ends.", retry_after_ms=_RETRY_AFTER_MS
                )
            )
        self._open[download] = name

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _read_chunk(self, file: StoredFile, index: int) -> bytes:
        data = StoreFileChunks(self._site.sealing).read_chunk(file, index)
        if len(data) != min(file.chunk_size, file.size - index * file.chunk_size):
            raise FileRefError(f"part {index + 1} of {len(file.chunks)} of file {describe_name(file)} has another size")
        return data

    def _record(self, call: ApiCall[Any, Any], run: str, file: StoredFile, part: ByteRange) -> None:
        offset = part.start if part.is_part else None
        record_download(self._site.store, run, file, offset, act=call.act(), sealing=self._site.sealing)


def _make_headers(file: StoredFile, part: ByteRange, tag: str) -> dict[str, str]:
    """Return the headers: no browser shows the content as a page of this site, whatever is in it, and none keeps it."""
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Disposition": make_disposition(file.name),
        "Content-Length": str(part.end - part.start),
        "Content-Security-Policy": _SANDBOX,
        "Content-Type": "application/octet-stream",
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return headers | ({"Content-Range": part.header} if part.is_part else {})
