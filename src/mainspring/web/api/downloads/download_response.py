"""The response of a download: it sends a file chunk by chunk, while it watches the client, the visitor's rights and this process.

Invariants: one chunk is in memory; the connection of a response that cannot send all its bytes is aborted, so that a part never looks like
the whole file; a failed check of the rights does not end a download, but too long a time without one does.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.web.api.downloads.byte_range import ByteRange
from mainspring.web.api.problem import Problem, build_problem, problem_from_error
from mainspring.web.api.problem_response import problem_response
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.server.connection import ABORT_KEY

CHECK_EVERY_S: Final = 3.0
CHECK_WITHIN_S: Final = 5.0
"""The limit for one check of the rights. A check that takes longer has failed, and is awaited further."""
UNCHECKED_FOR_S: Final = 60.0
"""The longest time without a check that succeeds."""
_PIECE: Final = 256 * 1024
"""Bytes of one message to the server, which holds them until the client has read them."""
_ABORT_WITHIN_S: Final = 5.0
_LOG = logging.getLogger("mainspring.web.api")


class DownloadBrokenError(Exception):
    """A download cannot be completed, and the server has no way to abort its connection except this error."""


class DownloadSource(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a response. `subject` = the file and its run, for the log; `part` = the bytes of the file that are sent.

    `record` = records the download before its first byte. `check` = raises ApiError if the visitor has lost the right to the file.
    """

    subject: str
    part: ByteRange
    chunk_size: int
    read_chunk: Callable[[int], Awaitable[bytes]]
    record: Callable[[], Awaitable[None]]
    check: Callable[[], Awaitable[Visitor]]


class DownloadResponse(Response):
    """Sends a file; calls `on_end` when it ends, for any reason."""

    def __init__(self, source: DownloadSource, headers: dict[str, str], on_end: Callable[[], object]) -> None:
        super().__init__(None, 206 if source.part.is_part else 200, headers)
        self._source = source
        self._on_end = on_end
        self._is_ended = asyncio.Event()
        self._is_started = False
        self._position = source.part.start

    def end(self) -> None:
        """Break the download off, because this process ends."""
        self._is_ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file. If nothing was sent yet, a failure is a problem."""
        try:
            problem = await self._send_watched(receive, send)
            if problem is None:
                return
            _LOG.warning(
                "the download of %s broke off at byte %d of %d: %s",
                self._source.subject,
                self._position,
                self._source.part.size,
                problem.detail.partition("\n")[0],
            )
            if self._is_started:
                await _abort(scope, receive, f"the download of {self._source.subject} broke off")
            else:
                await problem_response(problem)(scope, receive, send)
        finally:
            self._on_end()

    async def _send_watched(self, receive: Receive, send: Send) -> Problem | None:
        """Send the file until it ends, the client leaves, or something breaks it off; return what, None = nothing."""
        sending = asyncio.create_task(self._send_file(send))
        watching = asyncio.create_task(self._watch())
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        tasks = (sending, watching, leaving)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                return sending.result()
            return watching.result() if watching.done() else None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_file(self, send: Send) -> Problem | None:
        """Send headers and bytes; return why they are not complete."""
        end = self._source.part.end
        try:
            data = await self._read_chunk() if self._position < end else b""
            await self._source.record()
            self._is_started = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while True:
                for at in range(0, len(data), _PIECE):
                    piece = data[at : at + _PIECE]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    self._position += len(piece)
                data = b""  # free it first: one chunk is in memory
                if self._position >= end:
                    break
                data = await self._read_chunk()
        except MainspringError as error:
            return problem_from_error(error)
        except Exception:  # noqa: BLE001 - the connection must be aborted, whatever went wrong
            _LOG.exception("the download of %s failed", self._source.subject)
            return build_problem(500, "unexpected", "this is a bug of Mainspring; it is in the log of the web process")
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return None

    async def _read_chunk(self) -> bytes:
        """Return the bytes of the chunk at the position, from there on. Raises FileRefError, SealedError."""
        index, offset = divmod(self._position, self._source.chunk_size)
        data = await self._source.read_chunk(index)
        left = self._source.part.end - self._position
        return data if not offset and len(data) <= left else data[offset : offset + left]

    async def _watch(self) -> Problem:
        """Return the problem that breaks the download off: the visitor has lost the right to the file, or this process ends."""
        loop = asyncio.get_running_loop()
        checked_at, check = loop.time(), None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_ended.wait(), CHECK_EVERY_S)
                    return build_problem(
                        503, "ending", "this process is stopping: send the request again", retry_after_ms=1_000
                    )
                check = check or asyncio.ensure_future(self._source.check())
                await asyncio.wait({check}, timeout=CHECK_WITHIN_S)
                if check.done():
                    finished, check = check, None
                    lost = _read_check(finished)
                    if isinstance(lost, Problem):
                        return lost
                    checked_at = loop.time() if lost is None else checked_at
                if loop.time() - checked_at > UNCHECKED_FOR_S:
                    detail = f"the store did not say within {UNCHECKED_FOR_S:.0f} s whether it is still allowed"
                    return build_problem(503, "store_unreachable", detail, retry_after_ms=5_000)
        finally:
            if check is not None:
                check.cancel()


def _read_check(check: "asyncio.Future[Visitor]") -> Problem | Exception | None:
    """Return the problem if the right was lost, the error if the check failed, None if the right is there."""
    try:
        check.result()
    except ApiError as error:
        return error.problem
    except (MainspringError, TimeoutError) as error:
        return error  # the store is busy or unreachable, which is reported elsewhere
    except Exception as error:  # noqa: BLE001 - one failed check must not end a download
        _LOG.exception("the right to a download cannot be checked")
        return error
    return None


async def _abort(scope: Scope, receive: Receive, reason: str) -> None:
    """Abort the connection of a response that has begun. Raises DownloadBrokenError: the server offers no way to."""
    abort: Any = scope.get(ABORT_KEY)
    if abort is None:
        raise DownloadBrokenError(reason)
    abort()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ABORT_WITHIN_S):  # else the server logs a response that was not completed
            await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
