"""An HTTP client for configured addresses outside: a name is resolved once, and the connection goes to the address that was checked."""

import asyncio
import socket
from typing import Any
from urllib.request import getproxies

import httpx2

from mainspring.resources.egress_policy import EGRESS_POLICY

_PORTS = {"https": 443, "http": 80}


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Connects to a checked address, under the name that was asked for (TLS, Host)."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it to the first address of its host that takes a connection."""
        url = request.url
        *others, last = await resolve_host(url)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        for address in others:
            request.url = url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        request.url = url.copy_with(host=last)
        return await super().handle_async_request(request)


def open_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client that calls nothing inside; options as those of httpx2. Blocking: it reads certificates."""
    if getproxies().keys() & {"http", "https", "all"}:
        # The proxy connects. What this machine can resolve is checked before the proxy is asked.
        return httpx2.AsyncClient(event_hooks={"request": [_check_request]}, **options)
    return httpx2.AsyncClient(transport=PinnedTransport(), **options)


async def resolve_host(url: httpx2.URL) -> list[str]:
    """Return the addresses of a host.

    Raises:
        httpx2.ConnectError: it may not be called, or has none.
    """
    found = await _look_up_addresses(url)
    if not found:
        raise httpx2.ConnectError(f"{url.host} has no address")
    return found


async def _check_request(request: httpx2.Request) -> None:
    await _look_up_addresses(request.url)


async def _look_up_addresses(url: httpx2.URL) -> list[str]:
    port = url.port or _PORTS.get(url.scheme, 0)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    why = EGRESS_POLICY.refusal(url.host, addresses)
    if why is not None:
        raise httpx2.ConnectError(why)
    return addresses
