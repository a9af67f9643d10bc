"""The transport of HTTP actions: it connects to exactly the addresses that the guard has checked, under the name of the host.

Imported at the first request only, because httpx2 takes a while.
"""

import asyncio
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx2

from mainspring.actions.http.address_guard import CallTarget

T = TypeVar("T")


class PinnedHttpTransport(httpx2.AsyncHTTPTransport):
    """Connects to checked addresses, in their order, until one accepts. There is no second look-up of the name."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(verify=_make_ssl_context(), trust_env=False)
        self._addresses = addresses

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it; the Host header and the name for TLS are those of the address that was written."""
        url = request.url
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        *first_addresses, last_address = self._addresses
        for address in first_addresses:
            request.url = url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        request.url = url.copy_with(host=last_address)
        return await super().handle_async_request(request)


@functools.cache
def _make_ssl_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


@functools.cache
def load_library() -> None:
    """Load what the first request needs. A request that first gets its turn would be sent late, in the turn of others."""
    PinnedHttpTransport(())


def make_transport(target: CallTarget, addresses: Sequence[str]) -> httpx2.AsyncBaseTransport:
    """Return the transport to a target: pinned, or through the proxy that the environment names for it."""
    proxy = find_proxy(target)
    if proxy is not None:
        return httpx2.AsyncHTTPTransport(verify=_make_ssl_context(), trust_env=False, proxy=proxy)
    return PinnedHttpTransport(addresses)


def find_proxy(target: CallTarget) -> str | None:
    """Return the proxy that the environment names for a target; a proxy resolves names itself."""
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{target.host}:{target.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def resolve_target(target: CallTarget) -> list[str]:
    """Return the addresses of a host; a written address is its own.

    Raises:
        OSError, UnicodeError: it has none.
    """
    entries = await _run_in_thread(
        functools.partial(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


async def _run_in_thread(fn: Callable[[], T]) -> T:
    """Run a function in a daemon thread, which the end of the loop does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = fn()
        except BaseException as raised:  # noqa: BLE001 - the waiting code gets it
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop has ended, and no code waits any more
            return

    threading.Thread(target=run, name="mainspring-resolve", daemon=True).start()
    return await future
