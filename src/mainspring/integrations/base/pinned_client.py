"""A pinned HTTP client for configured addresses outside: a name is resolved once, and the connection uses the checked address."""

import asyncio
import socket
from typing import Any
from urllib.request import getproxies

import httpx2

from mainspring.integrations.base.egress_policy import EGRESS_POLICY

_PORTS = {"https": 443, "http": 80}


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Connects to a checked address, under the requested name (TLS, Host)."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it to the first address of its host that accepts a connection."""
        url = request.url
        *first_addresses, last_address = await resolve_host(url)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        for address in first_addresses:
            request.url = url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        request.url = url.copy_with(host=last_address)
        return await super().handle_async_request(request)


def open_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client that calls nothing inside; options as those of httpx2. Blocking: it reads certificates."""
    if getproxies().keys() & {"http", "https", "all"}:
        # The proxy connects. Names that this machine can resolve are checked before the proxy is called.
        return httpx2.AsyncClient(event_hooks={"request": [_check_request]}, **options)
    return httpx2.AsyncClient(transport=PinnedTransport(), **options)


async def resolve_host(url: httpx2.URL) -> list[str]:
    """Return the addresses of a host.

    Raises:
        httpx2.ConnectError: it may not be called, or has none.
    """
    addresses = await _resolve_addresses(url)
    if not addresses:
        raise httpx2.ConnectError(f"{url.host} has no address")
    return addresses


async def _check_request(request: httpx2.Request) -> None:
    await _resolve_addresses(request.url)


async def _resolve_addresses(url: httpx2.URL) -> list[str]:
    port = url.port or _PORTS.get(url.scheme, 0)
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    refusal = EGRESS_POLICY.refusal(url.host, addresses)
    if refusal is not None:
        raise httpx2.ConnectError(refusal)
    return addresses
