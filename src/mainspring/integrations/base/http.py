"""HTTP requests to channels: limited in time, size and rate, over verified TLS, never redirected."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.failures.http_errors import parse_retry_after
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

WITHIN_S = 10.0
"""The longest time of one request, including connecting and reading."""
MAX_BYTES = 64 * 1024
"""Bytes of a response that are read, unless a request needs more."""
_LONGEST_WAIT_MS = 3_600_000
_REDIRECTS = range(300, 400)
_UNAVAILABLE = range(500, 600)
_TOO_MANY = 429
_ABANDONED = frozenset({408, 499})
"""It, or a proxy before it, stopped waiting (499 of nginx and Google): the request may have been read."""


class HttpResponse(msgspec.Struct, frozen=True):
    """A response with at most the first bytes of its body, up to the limit of its request."""

    status: int
    body: bytes
    retry_after_ms: int | None

    @property
    def is_ok(self) -> bool:
        """Whether the request was accepted."""
        return 200 <= self.status < 300

    def data(self) -> dict[str, Any]:
        """Return the JSON object of the body, or an empty one."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


class HttpClient:
    """The HTTP client of one channel; `gap_s` = the least time between two requests."""

    def __init__(self, faults: ErrorFormatter, clock: Clock, gap_s: float = 0.0) -> None:
        self._faults = faults
        self._clock = clock
        self._gap_s = gap_s
        self._not_before = 0.0
        self._client: AsyncClient | None = None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int = MAX_BYTES
    ) -> HttpResponse:
        """Send a body and return the response, which is none of 3xx, 408, 429, 499 and 5xx; at most `max_bytes` of it.

        Raises:
            ChannelFault: there is no such response. `is_unknown` is false only if the request was certainly not read.
        """
        await asyncio.sleep(max(self._not_before - time.monotonic(), 0.0))
        try:
            async with asyncio.timeout(WITHIN_S):
                response = await self._request(url, body, headers, max_bytes)
        except ChannelFault:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises, nothing came back
            raise self._fault(error) from None
        finally:
            self._not_before = time.monotonic() + self._gap_s
        return _check_status(response)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _request(self, url: str, body: bytes, headers: Mapping[str, str], max_bytes: int) -> HttpResponse:
        if self._client is None:
            self._client = await asyncio.to_thread(
                _make_client
            )  # reading the certificates of the machine takes a while
        async with self._client.stream("POST", url, content=body, headers=dict(headers)) as response:
            return HttpResponse(response.status_code, await _read_start(response, max_bytes), self._wait(response))

    def _wait(self, response: "Response") -> int | None:
        now = datetime.fromtimestamp(self._clock.now() / 1000, UTC)
        span = parse_retry_after(response.headers.get("retry-after"), now)
        return None if span is None else min(to_milliseconds(span), _LONGEST_WAIT_MS)

    def _fault(self, error: Exception) -> ChannelFault:
        import httpx2

        unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.InvalidURL, httpx2.ProxyError)
        return ChannelFault(
            self._faults.of(error) or type(error).__name__,
            is_unknown=not isinstance(error, (*unsent, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)),
        )


def _check_status(response: HttpResponse) -> HttpResponse:
    if response.status in _REDIRECTS:
        raise ChannelFault(f"it redirects ({response.status}), which is not followed: write the new address")
    if response.status == _TOO_MANY:
        raise ChannelFault("it receives too many requests (429)", response.retry_after_ms)
    if response.status in _ABANDONED:
        raise ChannelFault(f"it stopped waiting ({response.status})", response.retry_after_ms, is_unknown=True)
    if response.status in _UNAVAILABLE:
        raise ChannelFault(f"it has an internal error ({response.status})", response.retry_after_ms, is_unknown=True)
    return response


def _make_client() -> "AsyncClient":
    from mainspring.integrations.base.pinned_client import open_client

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else it logs each address
    return open_client(timeout=WITHIN_S, follow_redirects=False, headers={"user-agent": "mainspring"})


async def _read_start(response: "Response", max_bytes: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes(8_192):
        body += part
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])
