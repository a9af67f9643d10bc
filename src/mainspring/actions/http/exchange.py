"""The exchange of one call: resolve, check, connect, send, follow redirects, read.

Invariants: each address is checked right before it is called, that of a redirect too; headers with secrets go to the first origin only;
each error says whether the request may have been sent.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from mainspring.actions.base.calling_thread import refuse_event_loop
from mainspring.actions.http.address_guard import CallTarget, read_target
from mainspring.actions.http.errors import (
    HttpAddressError,
    HttpBodyError,
    HttpCertificateError,
    HttpConnectionError,
    HttpNotSentError,
    HttpTimeoutError,
    make_status_error,
)
from mainspring.actions.http.limited_request import LimitedRequest, find_limited_request
from mainspring.actions.http.prepared_call import PreparedCall
from mainspring.actions.http.reply import HttpReply, make_reply
from mainspring.domain.duration import format_duration, parse_duration
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.byte_size import format_size
from mainspring.domain.text.escaping import escape
from mainspring.resources.known_secrets import KNOWN_SECRETS

if TYPE_CHECKING:
    from httpx2 import Response

T = TypeVar("T")
MAX_REDIRECTS = 5
CONNECT_TIMEOUT_S = 10.0
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_MAX_ERROR_BYTES = 4 * 1024
_UNAUTHORIZED = 401
_USER = re.compile(r"//[^/]*@")
_SENDING = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class OpenResponse:
    """A response whose body has not been read. `target` = the last address."""

    def __init__(self, response: "Response", target: CallTarget, call: PreparedCall) -> None:
        self._response = response
        self._call = call
        self.target = target
        self.status = response.status_code
        self.url = call.secrets.hide(target.url)

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self._response.headers.get(name)

    @property
    def selected_headers(self) -> dict[str, str]:
        """The headers that a reply has, without secrets."""
        pairs = self._response.headers.items()
        return {name: self._call.secrets.hide(value) for name, value in pairs if name in self._call.reply_headers}

    async def read_chunks(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body.

        Raises:
            HttpBodyError: it is larger than `max_bytes`.
        """
        size, limit = 0, self._call.max_bytes
        async for chunk in self._response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                raise HttpBodyError(
                    f"{self._call.place}: the body is larger than {format_size(limit)}",
                    hint="Raise max_bytes=, or use http.download for a file.",
                )
            yield chunk

    async def read_reply(self) -> HttpReply:
        """Read the body."""
        data = b"".join([chunk async for chunk in self.read_chunks()])
        return make_reply(self.status, self.url, self.selected_headers, self._call.secrets.hide_in_bytes(data))

    async def make_error(self) -> MainspringError:
        """Return the error of a status that is not expected, with the start of the body."""
        data = b""
        with contextlib.suppress(Exception):  # the status is what counts
            async for chunk in self._response.aiter_bytes():
                data += chunk
                if len(data) >= _MAX_ERROR_BYTES:
                    break
        text = KNOWN_SECRETS.redact(self._call.secrets.hide(data[:_MAX_ERROR_BYTES].decode("utf-8", "replace")))
        return make_status_error(
            f"{self._call.method} {self._call.secrets.hide(self.target.place)}",
            self._call.method,
            self.status,
            text,
            self.header("retry-after"),
            is_keyed=self._call.is_keyed,
            secrets=self._call.secrets.names,
        )


class _Progress:
    """How far a call has come. `is_sent` = the first byte of the request may have left; `limited` = the request, if its host has limits."""

    def __init__(self, target: CallTarget) -> None:
        self.target = target
        self.is_sent = False
        self.limited: LimitedRequest | None = None

    async def trace(self, event: str, info: Any) -> None:
        """Follow the events of the connection. CONNECT opens a tunnel of a proxy, and is no part of the request."""
        if event in _SENDING and info["request"].method != b"CONNECT":
            self.is_sent = True


async def send_call(call: PreparedCall) -> HttpReply:
    """Send a call and return its reply.

    Raises:
        MainspringError: one of `errors`.
    """
    async with open_response(call) as response:
        if response.status not in call.expect:
            raise await response.make_error()
        return await response.read_reply()


@contextlib.asynccontextmanager
async def open_response(call: PreparedCall) -> AsyncIterator[OpenResponse]:
    """Send a call and open its response, whatever its status is; redirects of GET and HEAD are followed."""
    progress = _Progress(call.target)
    async with _record_end(progress), _limit_time(call, progress) as deadline:
        redirects, may_renew = 0, True
        while redirects <= MAX_REDIRECTS:
            await _enter_target(call, progress, deadline)
            async with _open_hop(call, progress) as response:
                renewed = await _renew(call, response) if may_renew else None
                location = _find_location(call, response)
                if renewed is None and location is None:
                    yield OpenResponse(response, progress.target, call)
                    return
            if renewed is not None:
                call, may_renew = renewed, False
            elif location is not None:
                progress.target, redirects = _read_location(call, progress.target, location), redirects + 1
        raise HttpAddressError(f"{call.place}: more than {MAX_REDIRECTS} redirects", hint="Write the last address.")


@contextlib.asynccontextmanager
async def _limit_time(call: PreparedCall, progress: _Progress) -> AsyncIterator[asyncio.Timeout]:
    """End the call after its timeout, with an error of ours."""
    with _name_errors(call, progress):
        async with asyncio.timeout(call.timeout_s if call.has_total_timeout else None) as deadline:
            yield deadline


@contextlib.asynccontextmanager
async def _record_end(progress: _Progress) -> AsyncIterator[None]:
    """Record how the last request ended, if its host has limits."""
    try:
        yield
    except (HttpNotSentError, HttpConnectionError):
        if progress.limited is not None:
            progress.limited.is_ok = False
        raise
    finally:
        if progress.limited is not None:
            await progress.limited.leave()


async def _enter_target(call: PreparedCall, progress: _Progress, deadline: asyncio.Timeout) -> None:
    """Wait for the turn of the next request, if its host has limits. This wait is no part of the timeout."""
    before, progress.limited = progress.limited, None
    if before is not None:
        await before.leave()
    request = find_limited_request(progress.target.host)
    if request is None:
        return
    from mainspring.actions.http.transport import load_library

    load_library()
    loop, until = asyncio.get_running_loop(), deadline.when()
    left_s = None if until is None else until - loop.time()
    deadline.reschedule(None)
    await request.enter(_place_of(call, progress), call.timeout_s)
    deadline.reschedule(None if left_s is None else loop.time() + left_s)
    progress.limited = request


@contextlib.asynccontextmanager
async def _open_hop(call: PreparedCall, progress: _Progress) -> "AsyncIterator[Response]":
    """Send one request."""
    import httpx2

    from mainspring.actions.http.transport import find_proxy, make_transport, resolve_target

    target = progress.target
    try:
        addresses = await resolve_target(target)
    except (OSError, UnicodeError) as error:
        if find_proxy(target) is None:
            raise HttpNotSentError(
                f"{call.place}: the host {target.host} has no address ({_describe(error)})",
                hint="Check the name and the DNS of this machine.",
            ) from None
        addresses = []
    call.guard.require_allowed(target.host, addresses, _place_of(call, progress))
    is_first = target.origin == call.target.origin
    headers = {name: value for name, value in call.headers.items() if is_first or name not in call.confidential}
    timeouts = httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
    request = httpx2.Request(
        call.method,
        httpx2.URL(scheme=target.scheme, host=target.host, port=target.port, raw_path=target.path.encode()),
        headers={"host": target.netloc, **headers},
        content=(is_first and call.content) or None,
        extensions={"timeout": timeouts.as_dict(), "trace": progress.trace},
    )
    async with make_transport(target, addresses) as transport:
        response = await transport.handle_async_request(request)
        if progress.limited is not None:
            progress.limited.note_response(response.status_code, response.headers.get("retry-after"))
        try:
            yield response
        finally:
            await response.aclose()


async def _renew(call: PreparedCall, response: "Response") -> PreparedCall | None:
    """Return the call with newer secrets, if the target refuses those that it got: then it has done nothing yet."""
    if response.status_code != _UNAUTHORIZED or _UNAUTHORIZED in call.expect:
        return None
    return await asyncio.to_thread(call.renew)


def _find_location(call: PreparedCall, response: "Response") -> str | None:
    """Return the address of a redirect that is followed."""
    is_followed = call.method in ("GET", "HEAD") and response.status_code in _FOLLOWED - call.expect
    return response.headers.get("location") if is_followed else None


def _read_location(call: PreparedCall, target: CallTarget, location: str) -> CallTarget:
    """Return the address that a redirect names."""
    redirected = read_target(join_address(target.url, location, call))
    if target.scheme == "https" and redirected.scheme == "http":
        raise HttpAddressError(
            f"{call.place}: it redirects to {call.secrets.hide(redirected.place)}, which is not encrypted",
            hint="Write the address that you trust.",
        )
    return redirected


def join_address(base: str, link: str, call: PreparedCall) -> str:
    """Return the address that a response at `base` names.

    Raises:
        HttpAddressError: its host or port is not valid. The error has neither user nor query.
    """
    try:
        address = urljoin(base, link)
        _ = urlsplit(address).port
    except ValueError:
        visible = escape(call.secrets.hide(_USER.sub("//", link.partition("?")[0])), 200)
        raise HttpAddressError(
            f"{call.place}: the response names {visible!r}, whose host or port is not valid",
            hint="Write the address that you want to call.",
        ) from None
    return address


@contextlib.contextmanager
def _name_errors(call: PreparedCall, progress: _Progress) -> Iterator[None]:
    """Turn errors of the library into ours."""
    import httpx2

    try:
        yield
    except MainspringError:
        raise
    except TimeoutError:
        span = format_duration(parse_duration(call.timeout_s))
        raise _make_lost_error(call, progress, f"no complete response within {span}", is_timeout=True) from None
    except httpx2.TimeoutException as error:
        if isinstance(error, httpx2.ConnectTimeout):
            text = f"no connection within {min(CONNECT_TIMEOUT_S, call.timeout_s):g} s"
        else:
            text = f"no data within {format_duration(parse_duration(call.timeout_s))}"
        raise _make_lost_error(call, progress, text, is_timeout=True) from None
    except httpx2.DecodingError as error:
        raise HttpBodyError(f"{call.place}: the body cannot be decompressed ({_describe(error)})") from None
    except (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise HttpAddressError(f"{call.place}: the request is not valid HTTP ({_describe(error)})") from None
    except httpx2.ConnectError as error:
        text = f"{_place_of(call, progress)}: no connection ({_describe(error)})"
        if classify(error).kind is FailureKind.PERMANENT:
            raise HttpCertificateError(
                text, hint="Check the host, its certificate and the clock. For a private CA, set SSL_CERT_FILE."
            ) from None
        raise HttpNotSentError(text, hint="Check that the target runs and that a firewall allows it.") from None
    except httpx2.ProxyError as error:
        text = f"{_place_of(call, progress)}: the proxy does not connect to the target ({_describe(error)})"
        raise HttpNotSentError(text, hint="Check the variables http_proxy, https_proxy and no_proxy.") from None
    except httpx2.TransportError as error:
        raise _make_lost_error(call, progress, f"the connection ended ({_describe(error)})") from None


def _make_lost_error(
    call: PreparedCall, progress: _Progress, problem: str, *, is_timeout: bool = False
) -> MainspringError:
    """Return the error of a call without a response; it says whether the request was sent."""
    text = f"{_place_of(call, progress)}: {problem}"
    if not progress.is_sent:
        return HttpNotSentError(text, hint="Check that the target runs and that a firewall allows it.")
    if is_timeout:
        return HttpTimeoutError(text, hint="The target may have received the request. Raise timeout= if it is slow.")
    return HttpConnectionError(text, hint="The target may have received the request. Check its log.")


def _place_of(call: PreparedCall, progress: _Progress) -> str:
    return f"{call.method} {call.secrets.hide(progress.target.place)}"


def _describe(error: BaseException) -> str:
    return escape(KNOWN_SECRETS.redact(str(error) or type(error).__name__), 200)


def run_blocking(name: str, fn: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in this thread, which has no event loop.

    Raises:
        DefinitionError: there is one, and it would be blocked.
    """
    refuse_event_loop(name)
    return asyncio.run(_await(fn))


async def _await(fn: Callable[[], Awaitable[T]]) -> T:
    return await fn()
