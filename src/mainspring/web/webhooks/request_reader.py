"""A reader of requests: headers within limits, and a body within its time and size."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from mainspring.web.webhooks.admission_control import ReservedBytes
from mainspring.web.webhooks.webhook_reply import WebhookReply, overloaded_reply, problem_reply

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
BODY_WITHIN_S = 20.0
"""The longest wait for a body, in seconds."""
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024


class BodyLimit(NamedTuple):
    """The largest body (bytes), and the setting that limits it."""

    size: int
    setting: str


class SenderDisconnectedError(Exception):
    """The sender disconnected, so there is no one to answer."""


def read_headers(scope: MutableMapping[str, Any]) -> dict[str, str] | WebhookReply:
    """Return {lower-case name: value}; the values of a repeated header are joined by commas."""
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    if len(raw) > MOST_HEADERS or sum(len(name) + len(value) for name, value in raw) > MOST_HEADER_BYTES:
        return problem_reply(431, "headers", "too many headers, or too long", close=True)
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if "transfer-encoding" in headers and "content-length" in headers:
        # One of the two is meant for a proxy, which may have checked another request than this one.
        return problem_reply(400, "framing", "Content-Length and Transfer-Encoding exclude each other", close=True)
    return headers


async def read_body(
    receive: Receive, headers: dict[str, str], limit: BodyLimit, held: ReservedBytes
) -> bytes | WebhookReply:
    """Return the whole body; one announced as too large is not read at all.

    Raises:
        SenderDisconnectedError: the sender has disconnected.
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
        return problem_reply(408, "slow", f"the body did not arrive within {BODY_WITHIN_S:g} seconds", close=True)


def _too_large_reply(limit: BodyLimit) -> WebhookReply:
    return problem_reply(
        413, "too_large", f"the body is too large (at most {limit.size:,} bytes, {limit.setting})", close=True
    )
