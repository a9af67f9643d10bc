"""One request as it comes from the wire: its headers within bounds, its body read in time and not beyond its limit."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from mainspring.web.webhooks.admission_control import ReservedBytes
from mainspring.web.webhooks.webhook_reply import WebhookReply, overloaded_reply, problem_reply

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
BODY_WITHIN_S = 20.0
"""A body that is not there in so many seconds is not waited for."""
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024


class BodyLimit(NamedTuple):
    """The largest body (bytes), and by which setting."""

    size: int
    setting: str


class SenderDisconnectedError(Exception):
    """Whoever sent this has gone: there is nobody to answer."""


def read_headers(scope: MutableMapping[str, Any]) -> dict[str, str] | WebhookReply:
    """Return {lower-case name: value}; one that comes twice is one, its values separated by commas."""
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    if len(raw) > MOST_HEADERS or sum(len(name) + len(value) for name, value in raw) > MOST_HEADER_BYTES:
        return problem_reply(431, "headers", "there are too many headers, or they are too long", close=True)
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    if "transfer-encoding" in found and "content-length" in found:
        # One of the two is for somebody in between, and the request is not the one that was checked there.
        return problem_reply(400, "framing", "Content-Length and Transfer-Encoding exclude each other", close=True)
    return found


async def read_body(
    receive: Receive, headers: dict[str, str], limit: BodyLimit, held: ReservedBytes
) -> bytes | WebhookReply:
    """Return the whole body; what is announced as too large is not read at all.

    Raises:
        SenderDisconnectedError: the sender has gone.
    """
    announced = headers.get("content-length", "")
    if announced and not _LENGTH.fullmatch(announced):
        return problem_reply(400, "framing", "Content-Length is not a number", close=True)
    if announced and int(announced) > limit.size:
        return _too_large_reply(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderDisconnectedError
                chunk: bytes = message.get("body", b"")
                if len(body) + len(chunk) > limit.size:
                    return _too_large_reply(limit)
                if not held.grow(len(chunk)):
                    return overloaded_reply()
                body += chunk
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return problem_reply(408, "slow", f"the body was not there after {BODY_WITHIN_S:g} seconds", close=True)


def _too_large_reply(limit: BodyLimit) -> WebhookReply:
    return problem_reply(413, "too_large", f"a body may have {limit.size:,} bytes here ({limit.setting})", close=True)
