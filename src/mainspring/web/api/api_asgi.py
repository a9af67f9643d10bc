"""The API as an ASGI application: authenticate each request, find its row of the route table, and answer with JSON or a problem."""

import asyncio
import functools
import hashlib
import logging
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mainspring.domain.access.permissions import Role, Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.version import __version__
from mainspring.web.api.call import ApiCall, HandlerContext, RequestAuthenticator
from mainspring.web.api.change_streams import ChangeStreams
from mainspring.web.api.document import build_document
from mainspring.web.api.downloads.file_downloads import FileDownloads
from mainspring.web.api.event_page import EventPage
from mainspring.web.api.problem import build_problem, problem_from_error
from mainspring.web.api.problem_response import HEADERS, problem_response
from mainspring.web.api.request_parsing import ApiError, parse_body, parse_query, read_command_id, scope_command_id
from mainspring.web.api.route import BASE, ApiRoute, FindPendingRun
from mainspring.web.api.run_event_streams import RunEventStreams
from mainspring.web.api.run_waiters import RunWaiters
from mainspring.web.api.table import ROUTES, find_route

_JSON = "application/json"
_THREADS = 8
_LOG = logging.getLogger("mainspring.web.api")
DOCUMENT, CHANGES = f"{BASE}/openapi.json".encode(), f"{BASE}/changes".encode()
_STORE_SILENT = "the store did not answer in time: send the request again; with the same Idempotency-Key it counts once"


class ApiApp:
    """The ASGI application below BASE. Handlers block, so they run in their own threads: a slow operation does not delay a health probe."""

    def __init__(self, authenticator: RequestAuthenticator, site: HandlerContext) -> None:
        self._authenticator = authenticator
        self._site = site
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mainspring-api")
        self.changes = ChangeStreams(authenticator, site)
        self.run_waits = RunWaiters(site)
        self.run_events = RunEventStreams(site)
        self.downloads = FileDownloads(site)

    @functools.cached_property
    def _document(self) -> bytes:
        """Describe all routes when the document is first requested: that takes 0.1 s, which a start does not wait for."""
        return msgspec.json.encode(build_document(ROUTES, __version__, self._site.settings.web.public_url or "/"))

    def mounted(self) -> Route:
        """Return the application as a route of the web process."""
        return Route(f"{BASE}/{{rest:path}}", endpoint=self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except ApiError as error:
            response = problem_response(error.problem)
        except MainspringError as error:
            response = problem_response(problem_from_error(error))
        except TimeoutError:
            response = problem_response(build_problem(503, "store_silent", _STORE_SILENT, retry_after_ms=5_000))
        except Exception:  # noqa: BLE001 - one request that we cannot answer must not end the others
            _LOG.exception("%s %s could not be answered", request.method, scope["path"])
            response = problem_response(
                build_problem(500, "unexpected", "this is a bug of Mainspring; it is in the log of the web process")
            )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        visitor = await self._authenticator.visitor(request)
        if isinstance(visitor, Response):
            return visitor
        path = raw_path(request.scope)
        method = "GET" if request.method == "HEAD" else request.method
        if path in (DOCUMENT, CHANGES):
            if method != "GET":
                return _method_not_allowed(["GET"])
            parse_query(request, None)
            if path == DOCUMENT or request.method == "HEAD":
                document = await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._document)
                return _response_with_etag(request, document)
            return self.changes.stream(request, visitor)
        match = find_route(path)
        if not match.routes:
            return problem_response(build_problem(404, "no_path", "there is nothing at this path"))
        route = match.routes.get(method)
        if route is None:
            return _method_not_allowed(list(match.routes))
        if route.whole and not visitor.is_for_all:
            return problem_response(build_problem(404, "no_path", "there is nothing at this path"))
        _require_role(route, visitor)
        return await self._do(request, route, match.names, visitor)

    async def _do(self, request: Request, route: ApiRoute, names: dict[str, str], visitor: Visitor) -> Response:
        query = parse_query(request, route.query)
        body = await parse_body(request, route.request_type, self._site.sealing.limit)
        command = (
            None
            if route.request_type is None
            else scope_command_id(read_command_id(request), visitor, self._site.clock)
        )
        call = ApiCall(self._site, visitor, names, query, body, command)
        if route.events is not None and "text/event-stream" in request.headers.get("accept", ""):
            return await self._send_events(request, route, call)
        if route.pending is not None and await self._wait(request, route.pending, call):
            call = msgspec.structs.replace(call, visitor=await self._visitor_now(request, route))
        if route.is_download:
            return await self._send_file(request, route, call)
        async with asyncio.timeout(route.within_s):
            data = await asyncio.get_running_loop().run_in_executor(self._threads, _encode_result, route, call)
        if route.request_type is None:
            return _response_with_etag(request, data)
        return Response(data, 200, HEADERS, _JSON)

    async def _send_events(self, request: Request, route: ApiRoute, call: ApiCall[Any, Any]) -> Response:
        """Send the events of a run as it makes them, after the last one that the client had. Raises ApiError."""
        loop, blocking_read = asyncio.get_running_loop(), route.events
        assert blocking_read is not None

        async def read(call: ApiCall[Any, Any], since: int, run: str | None) -> EventPage:
            return await loop.run_in_executor(self._threads, blocking_read, call, since, run)

        last = request.headers.get("last-event-id", "")
        first = await read(
            call, int(last) if last.isdecimal() and len(last) < 19 else getattr(call.query, "since", 0), None
        )
        if request.method == "HEAD":
            return Response(headers=HEADERS, media_type="text/event-stream")
        return self.run_events.respond(request, call, read, lambda: self._visitor_now(request, route), first)

    async def _send_file(self, request: Request, route: ApiRoute, call: ApiCall[Any, Any]) -> Response:
        """Send the file that the handler finds. Raises ApiError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(route.within_s):
            run, file = await loop.run_in_executor(self._threads, route.handler, call)

        async def check() -> Visitor:
            visitor = await self._visitor_now(request, route)
            if not visitor.may_view(run.automation):
                raise ApiError(build_problem(404, "no_path", "you may not see this run any more"))
            return visitor

        return self.downloads.respond(request, call, run.id, file, check)

    async def _wait(self, request: Request, pending: FindPendingRun, call: ApiCall[Any, Any]) -> bool:
        """Wait for the end of the pending run and of its successors; False if none is pending. Raises ApiError if this process ends."""
        loop = asyncio.get_running_loop()
        until = loop.time() + call.query.wait
        run = await loop.run_in_executor(self._threads, pending, call)
        is_pending = run is not None
        while run is not None and await self.run_waits.wait(run, call.visitor, request, until - loop.time()):
            ended, run = run, await loop.run_in_executor(self._threads, pending, call)
            if run == ended:  # the store did not answer
                break
        if is_pending and self.run_waits.closed:
            raise ApiError(
                build_problem(503, "ending", "this process is stopping: send the request again", retry_after_ms=1_000)
            )
        return is_pending

    async def _visitor_now(self, request: Request, route: ApiRoute) -> Visitor:
        """Return the sender of a request that has waited. Raises ApiError if their right to the answer ended during the wait."""
        key = self._authenticator.key(request)
        keys = [] if key is None else [key]
        visitors = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._authenticator.current_visitors, keys
        )
        if key is None or (visitor := visitors.get(key)) is None:
            raise ApiError(
                build_problem(401, "unauthenticated", "this token or session ended while the request waited")
            )
        _require_role(route, visitor)
        return visitor

    def close(self) -> None:
        """End the streams. Calls that run in threads end by themselves."""
        self.changes.close()
        self.run_waits.close()
        self.run_events.close()
        self.downloads.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _require_role(route: ApiRoute, visitor: Visitor) -> None:
    """Check that a visitor may use a route. Raises ApiError."""
    if not visitor.may(route.role):
        detail = f"this needs the role {route.role}, but {visitor} is {visitor.role}"
        raise ApiError(build_problem(403, "forbidden", detail))


def raw_path(scope: MutableMapping[str, Any]) -> bytes:
    """Return the path as it was sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path


def _encode_result(route: ApiRoute, call: ApiCall[Any, Any]) -> bytes:
    try:
        answer = to_plain_json(route.handler(call))
        # As on pages: a run may have been given a secret, or have returned one. Operators need what is stored to act on it.
        return msgspec.json.encode(
            answer if call.visitor.may(Role.OPERATOR) else KNOWN_SECRETS.redactor.hide_known(answer)
        )
    finally:  # the caller sees the new state at once, also if a part was refused or the request did not wait
        if route.request_type is not None:
            call.site.project_status.forget()


def _response_with_etag(request: Request, data: bytes) -> Response:
    """Return the response of a GET: 304 without a body if the client has it already.

    The tag is of the response itself: a counter of the store's changes moves with each heartbeat, so it would never be the same.
    """
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    headers = {**HEADERS, "Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization, Cookie"}
    known_tags = {
        known_tag.strip().removeprefix("W/") for known_tag in request.headers.get("if-none-match", "").split(",")
    }
    if tag in known_tags or "*" in known_tags:
        return Response(None, 304, headers)
    return Response(data, 200, headers, _JSON)


def _method_not_allowed(methods: list[str]) -> Response:
    allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
    response = problem_response(build_problem(405, "method", f"only {', '.join(allowed)} is allowed"))
    response.headers["Allow"] = ", ".join(allowed)
    return response
