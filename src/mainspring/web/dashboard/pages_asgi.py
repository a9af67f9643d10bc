"""The pages as an application: a request that the gate let in goes to its row of the table, and is answered with a page.

A form is answered by the page that it leads to, with what was done; where nothing could be done, by the same page and the reason.
"""

import asyncio
import logging
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError, NotFoundError
from mainspring.web.api.api_asgi import raw_path
from mainspring.web.api.call import ApiCall, HandlerContext
from mainspring.web.api.problem import Problem
from mainspring.web.api.request_parsing import ApiError, parse_query
from mainspring.web.auth.authenticator import VISITOR_KEY
from mainspring.web.dashboard.exports import KINDS, download
from mainspring.web.dashboard.operation_result import describe_operation
from mainspring.web.dashboard.page_route import PageButton, PageRoute, PageView
from mainspring.web.dashboard.page_table import find_page
from mainspring.web.dashboard.status_bar import read_status_bar
from mainspring.web.pages.page_renderer import PageRenderer, describe_error, read_form, read_visitor

_WITHIN_S = 20.0
_RESULT_WITHIN_S = 3.0
_LOG = logging.getLogger("mainspring.web")
_INTERNAL_ERROR = (
    "this is a fault of Mainspring, not of yours; the log of `mainspring up` says where."
    " The command line goes on: mainspring status"
)
_OWN_PARAMETERS = ("as", "of", "done")
"""Parameters of every page: the form in which its rows are wanted, of which table, and the act whose outcome is told above it."""


class DashboardApp:
    """One of a web process."""

    def __init__(self, pages: PageRenderer, site: HandlerContext) -> None:
        self._pages = pages
        self._site = site
        pages.verdict_of = partial(read_status_bar, site)

    def mounted(self) -> Route:
        """Return the application as a route of the web process; it takes what no other route takes."""
        return Route("/{rest:path}", self.answer, methods=["GET", "POST"])

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if VISITOR_KEY not in request.scope:  # below one of the doors outside of the gate, where no page of ours is
            return PlainTextResponse("nothing is at this path\n", 404)
        found = find_page(raw_path(request.scope))
        visitor = read_visitor(request)
        if found is None or (found[0].whole and not visitor.is_for_all):
            return await self._told(request, 404, "nothing is at this path")
        page, names = found
        if not visitor.may(page.role):
            return await self._told(request, 403, f"this needs the role {page.role}, and {visitor} is {visitor.role}")
        try:
            query = parse_query(_remove_own_parameters(request), page.query)
        except ApiError as wrong:
            return await self._told(request, 400, _describe_problem(wrong.problem))
        call: ApiCall[Any, Any] = ApiCall(self._site, visitor, names, query, None)
        try:
            async with asyncio.timeout(_WITHIN_S):
                if request.method == "POST":
                    return await self._pressed(request, page, call)
                return await self._looked(request, page, call)
        except NotFoundError as error:
            return await self._told(request, 404, error.message)
        except MainspringError as error:
            return await self._told(request, *describe_error(error))
        except TimeoutError:
            return await self._told(request, 503, "the store did not answer in time: load the page again")
        except Exception:  # noqa: BLE001 - one page that we cannot draw must not end the others
            _LOG.exception("%s %s could not be answered", request.method, request.scope["path"])
            return await self._told(
                request,
                500,
                _INTERNAL_ERROR,
            )

    async def _looked(self, request: Request, page: PageRoute, call: ApiCall[Any, None]) -> Response:
        kind = request.query_params.get("as")
        if kind is None:
            return await self._drawn(request, page, call)
        of = request.query_params.get("of")
        rows = page.rows if of is None else page.tables.get(of)
        if kind not in KINDS:
            return await self._told(request, 400, f"a list can be had as {' or '.join(KINDS)}, not as {kind[:20]!r}")
        if rows is None:
            told = f"no table {of[:20]!r}" if of is not None else "no list"
            return await self._told(request, 400, f"this page has {told} that could be had as {kind}")
        name = page.path.strip("/").replace("/", "-").replace("{", "").replace("}", "") or "now"
        name = name if of is None else f"{name}-{of}"
        is_head = request.method == "HEAD"
        return await self._pages.run(lambda: download(rows(call), kind, name, is_head=is_head))

    async def _pressed(self, request: Request, page: PageRoute, call: ApiCall[Any, Any]) -> Response:
        form = read_form(request)
        button = page.buttons.get(form.get("act", ""))
        if button is None:
            return await self._told(request, 400, "there is no such button, and nothing was done")
        visitor = call.visitor
        if not visitor.may(button.role):
            said = f"this needs the role {button.role}, and {visitor} is {visitor.role}: nothing was done"
            return await self._told(request, 403, said)
        command = self._pages.command(request)
        call = msgspec.structs.replace(call, body=form, command=command)
        try:
            onward = await self._pages.run(partial(_run_button, button, call))
        except NotFoundError:
            raise
        except MainspringError as error:
            status, said = describe_error(error)
            # What was typed stays in its fields.
            return await self._drawn(request, page, call, status=status, said=said, fault=error)
        here = onward if onward is not None else _current_path(request)
        mark = "&" if "?" in here else "?"
        return RedirectResponse(f"{self._pages.site.base}{here}{mark}{urlencode({'done': command})}", 303)

    async def _drawn(
        self,
        request: Request,
        page: PageRoute,
        call: ApiCall[Any, Any],
        *,
        status: int | None = None,
        said: str = "",
        fault: MainspringError | None = None,
    ) -> Response:
        done = request.query_params.get("done", "")

        def draw() -> Response:
            view = page.show(call)
            if view.onward is not None:
                return RedirectResponse(f"{self._pages.site.base}{view.onward}", 303)
            above = said or describe_operation(call, done)
            return self._render(request, view, page, call.visitor, status=status, said=above, fault=fault)

        return await self._pages.run(draw)

    def _render(
        self,
        request: Request,
        view: PageView,
        page: PageRoute | None,
        visitor: Visitor,
        *,
        status: int | None = None,
        said: str = "",
        fault: MainspringError | None = None,
    ) -> Response:
        values: dict[str, Any] = {
            "title": view.title,
            "verdict": read_status_bar(self._site, visitor),
            "nouns": " ".join(page.nouns) if page is not None else "",
            "at": (page.at or page.path) if page is not None else "",
            "buttons": [name for name, one in page.buttons.items() if visitor.may(one.role)] if page else [],
            "has_rows": page is not None and page.rows is not None,
            "fault": fault,
            "fault_at": getattr(fault, "at", None) or getattr(fault, "path", None) or "",
            "wrong": fault is not None or view.status >= 400 or (status or 200) >= 400,
        }
        template = page.template if page is not None else "told.html"
        shown = values | view.values
        if shown["wrong"]:
            # Asked for again it would be the page without what was typed, and without what is wrong with it.
            shown["nouns"] = ""
        return self._pages.page(request, template, status or view.status, said=said, **shown)

    async def _told(self, request: Request, status: int, said: str) -> Response:
        """Return a page that holds a sentence and nothing else."""
        view = PageView({404: "Not found", 403: "Not allowed"}.get(status, "This did not work"), {}, status)
        try:
            async with asyncio.timeout(_RESULT_WITHIN_S):
                return await self._pages.run(
                    lambda: self._render(request, view, None, read_visitor(request), said=said)
                )
        except TimeoutError:  # whoever waits for the store has all the threads: this needs none
            return PlainTextResponse(f"{said}\n", status)


def _run_button(button: PageButton, call: ApiCall[Any, Any]) -> str | None:
    try:
        return button.do(call)
    finally:  # whoever acted sees what came of it, also where a part was refused, or the request did not wait for it
        call.site.project_status.forget()


def _describe_problem(found: Problem) -> str:
    """Return what is wrong with a query, where, and what would do."""
    where = f"{found.at.removeprefix('$.')}: " if found.at else ""
    return f"{where}{found.detail}{f'. {found.hint}' if found.hint else ''}"


def _remove_own_parameters(request: Request) -> Request:
    """Return the request without the parameters that every page takes."""
    left = [
        (name, value) for name, value in request.query_params.multi_items() if name not in _OWN_PARAMETERS and value
    ]
    return Request({**request.scope, "query_string": urlencode(left).encode()})


def _current_path(request: Request) -> str:
    """Return the path and query that were asked for, without what is told above the page."""
    path = raw_path(request.scope).decode("latin-1")
    left = [(name, value) for name, value in request.query_params.multi_items() if name not in _OWN_PARAMETERS]
    return f"{path}?{urlencode(left)}" if left else path
