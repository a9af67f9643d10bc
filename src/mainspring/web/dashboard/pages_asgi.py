"""The pages as an ASGI application: an authenticated request is answered by its row of the page table.

After a form the browser is redirected to the next page, with the result above it; after an error the same page shows the reason.
"""

import asyncio
import logging
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError, NotFoundError
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.service.actor import Actor
from mainspring.store.read.status.status import audit_row_of_command, audit_rows_of_bulk
from mainspring.store.views import AuditView
from mainspring.web.api.api_asgi import raw_path
from mainspring.web.api.call import ApiCall, HandlerContext
from mainspring.web.api.problem import Problem
from mainspring.web.api.request_parsing import ApiError, parse_query
from mainspring.web.auth.authenticator import VISITOR_KEY
from mainspring.web.dashboard.exports import KINDS, download
from mainspring.web.dashboard.page_route import PageButton, PageRoute, PageView
from mainspring.web.dashboard.page_table import find_page
from mainspring.web.pages.page_renderer import PageRenderer, describe_error, read_form, read_visitor

_WITHIN_S = 20.0
_RESULT_WITHIN_S = 3.0
_LOG = logging.getLogger("mainspring.web")
_INTERNAL_ERROR = (
    "this is a bug of Mainspring; the log of `mainspring up` has the details. The command line still "
    "works: mainspring status"
)
_OWN_PARAMETERS = ("as", "of", "done")
"""Parameters of every page: the format of an export, its table, and the operation whose result is shown above the page."""

_BULK: Final = "bulk"


class StatusBar(msgspec.Struct, frozen=True):
    """The status in the bar, title and icon of every page.

    `tone` = of static/css/tokens.css; `icon` names a file in static/marks; `count` = what needs a person.
    """

    tone: str
    icon: str
    text: str
    count: int


def read_status_bar(site: HandlerContext, visitor: Visitor) -> StatusBar:
    """Return the status for a visitor. The cached status is of the whole project; this one is limited to what the visitor sees."""
    try:
        snapshot = site.project_status.of(site)
    except MainspringError:
        return StatusBar("bad", "bad", "the store does not answer", 1)
    status = snapshot.of(visitor)
    if not status.count:
        if status.put_off:  # the overview says by whom and until when
            return StatusBar("warn", "warn", f"{format_count(status.put_off, 'problem')} acknowledged", 0)
        return StatusBar("good", "good", "healthy", 0)
    is_loud = any(
        incident.state is IncidentState.OPEN and incident.severity is Severity.PAGE
        for incident in snapshot.visible_incidents(visitor)
    )
    tone = "bad" if is_loud else "warn"
    return StatusBar(tone, tone, status.head, status.count)


class DashboardApp:
    """The application of a web process."""

    def __init__(self, pages: PageRenderer, site: HandlerContext) -> None:
        self._pages = pages
        self._site = site
        pages.read_bar_status = partial(read_status_bar, site)

    def mounted(self) -> Route:
        """Return the application as the last route of the web process."""
        return Route("/{rest:path}", self.answer, methods=["GET", "POST"])

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if VISITOR_KEY not in request.scope:  # below a public path, where this application has no page
            return PlainTextResponse("there is nothing at this path\n", 404)
        match = find_page(raw_path(request.scope))
        visitor = read_visitor(request)
        if match is None or (match[0].whole and not visitor.is_for_all):
            return await self._render_message(request, 404, "there is nothing at this path")
        page, names = match
        if not visitor.may(page.role):
            return await self._render_message(
                request, 403, f"this needs the role {page.role}, but {visitor} is {visitor.role}"
            )
        try:
            query = parse_query(_remove_own_parameters(request), page.query)
        except ApiError as error:
            return await self._render_message(request, 400, _describe_problem(error.problem))
        call: ApiCall[Any, Any] = ApiCall(self._site, visitor, names, query, None)
        try:
            async with asyncio.timeout(_WITHIN_S):
                if request.method == "POST":
                    return await self._post(request, page, call)
                return await self._get(request, page, call)
        except NotFoundError as error:
            return await self._render_message(request, 404, error.message)
        except MainspringError as error:
            return await self._render_message(request, *describe_error(error))
        except TimeoutError:
            return await self._render_message(request, 503, "the store did not answer in time: reload the page")
        except Exception:  # noqa: BLE001 - one page that fails must not end the others
            _LOG.exception("%s %s could not be answered", request.method, request.scope["path"])
            return await self._render_message(
                request,
                500,
                _INTERNAL_ERROR,
            )

    async def _get(self, request: Request, page: PageRoute, call: ApiCall[Any, None]) -> Response:
        kind = request.query_params.get("as")
        if kind is None:
            return await self._show_page(request, page, call)
        table = request.query_params.get("of")
        rows = page.rows if table is None else page.tables.get(table)
        if kind not in KINDS:
            return await self._render_message(
                request, 400, f"a list is available as {' or '.join(KINDS)}, not as {kind[:20]!r}"
            )
        if rows is None:
            missing = f"no table {table[:20]!r}" if table is not None else "no list"
            return await self._render_message(request, 400, f"this page has {missing} to export as {kind}")
        name = page.path.strip("/").replace("/", "-").replace("{", "").replace("}", "") or "now"
        name = name if table is None else f"{name}-{table}"
        is_head = request.method == "HEAD"
        return await self._pages.run(lambda: download(rows(call), kind, name, is_head=is_head))

    async def _post(self, request: Request, page: PageRoute, call: ApiCall[Any, Any]) -> Response:
        form = read_form(request)
        button = page.buttons.get(form.get("act", ""))
        if button is None:
            return await self._render_message(request, 400, "there is no such button, so nothing was done")
        visitor = call.visitor
        if not visitor.may(button.role):
            message = f"this needs the role {button.role}, but {visitor} is {visitor.role}: nothing was done"
            return await self._render_message(request, 403, message)
        command = self._pages.command(request)
        call = msgspec.structs.replace(call, body=form, command=command)
        try:
            next_path = await self._pages.run(partial(_run_button, button, call))
        except NotFoundError:
            raise
        except MainspringError as error:
            status, message = describe_error(error)
            # The typed values stay in their fields.
            return await self._show_page(request, page, call, status=status, message=message, fault=error)
        path = next_path if next_path is not None else _current_path(request)
        separator = "&" if "?" in path else "?"
        return RedirectResponse(f"{self._pages.site.base}{path}{separator}{urlencode({'done': command})}", 303)

    async def _show_page(
        self,
        request: Request,
        page: PageRoute,
        call: ApiCall[Any, Any],
        *,
        status: int | None = None,
        message: str = "",
        fault: MainspringError | None = None,
    ) -> Response:
        command = request.query_params.get("done", "")

        def render() -> Response:
            view = page.show(call)
            if view.onward is not None:
                return RedirectResponse(f"{self._pages.site.base}{view.onward}", 303)
            text = message or describe_operation(call, command)
            return self._render(request, view, page, call.visitor, status=status, message=text, fault=fault)

        return await self._pages.run(render)

    def _render(
        self,
        request: Request,
        view: PageView,
        page: PageRoute | None,
        visitor: Visitor,
        *,
        status: int | None = None,
        message: str = "",
        fault: MainspringError | None = None,
    ) -> Response:
        values: dict[str, Any] = {
            "title": view.title,
            "bar_status": read_status_bar(self._site, visitor),
            "nouns": " ".join(page.nouns) if page is not None else "",
            "at": (page.at or page.path) if page is not None else "",
            "buttons": [name for name, button in page.buttons.items() if visitor.may(button.role)] if page else [],
            "has_rows": page is not None and page.rows is not None,
            "fault": fault,
            "fault_at": getattr(fault, "at", None) or getattr(fault, "path", None) or "",
            "is_error": fault is not None or view.status >= 400 or (status or 200) >= 400,
        }
        template = page.template if page is not None else "message.html"
        merged = values | view.values
        if merged["is_error"]:
            # Loaded again it would be the page without the typed values and without the error.
            merged["nouns"] = ""
        return self._pages.page(request, template, status or view.status, message=message, **merged)

    async def _render_message(self, request: Request, status: int, message: str) -> Response:
        """Return a page that contains only a sentence."""
        view = PageView({404: "Not found", 403: "Not allowed"}.get(status, "This failed"), {}, status)
        try:
            async with asyncio.timeout(_RESULT_WITHIN_S):
                return await self._pages.run(
                    lambda: self._render(request, view, None, read_visitor(request), message=message)
                )
        except TimeoutError:  # the waiting requests have all threads: this needs none
            return PlainTextResponse(f"{message}\n", status)


def _run_button(button: PageButton, call: ApiCall[Any, Any]) -> str | None:
    try:
        return button.do(call)
    finally:  # the caller sees the new state at once, also if a part was refused or the request did not wait
        call.site.project_status.forget()


def _describe_problem(problem: Problem) -> str:
    """Return the problem of a query, its place, and a fix."""
    place = f"{problem.at.removeprefix('$.')}: " if problem.at else ""
    return f"{place}{problem.detail}{f'. {problem.hint}' if problem.hint else ''}"


def _remove_own_parameters(request: Request) -> Request:
    """Return the request without the parameters of every page."""
    parameters = [
        (name, value) for name, value in request.query_params.multi_items() if name not in _OWN_PARAMETERS and value
    ]
    return Request({**request.scope, "query_string": urlencode(parameters).encode()})


def _current_path(request: Request) -> str:
    """Return the requested path and query, without the result above the page."""
    path = raw_path(request.scope).decode("latin-1")
    parameters = [(name, value) for name, value in request.query_params.multi_items() if name not in _OWN_PARAMETERS]
    return f"{path}?{urlencode(parameters)}" if parameters else path


def describe_operation(call: ApiCall[Any, Any], command: str) -> str:
    """Return a sentence about the operation of this command id; "" if there is none, or another actor's.

    It is shown above the page that follows. It comes from the audit log, not from the link.
    """
    if not command or len(command) > 300 or not command.isprintable():
        return ""
    reader = call.site.reader
    row = audit_row_of_command(reader, command)
    rows = audit_rows_of_bulk(reader, command) if row is None else [row]
    if not rows or rows[0].actor != str(Actor(call.visitor.entry_point, call.visitor.name)):
        return ""
    if rows[0].verb == "answer":
        detail = msgspec.json.decode(call.site.opening.act(rows[0]).detail or b"{}")
        choice = f"the form ({', '.join(detail['form'])})" if "form" in detail else detail.get("choice")
        return f"Answered {escape_line(choice or 'a sealed value', 200)} to {rows[0].subject.replace(':', ' ', 1)}."
    return _describe_rows(rows)


def _describe_rows(rows: list[AuditView]) -> str:
    """Return what one command did. A bulk operation is named by its page; several rows of one automation are runs that it created."""
    verb, (noun, _, name) = rows[0].verb, rows[0].subject.partition(":")
    if noun == _BULK and name == rows[0].command:  # the command that starts one is its id
        return f"Started: {verb}. It runs in the background."
    if noun == _BULK:
        return f"Done: {verb} this bulk operation."
    if len(rows) == 1:
        return f"Done: {verb} {noun} {name}."
    if len({row.subject for row in rows}) == 1:
        return f"Done: {verb} {noun} {name}: {format_count(len(rows), 'run')}."
    return f"Done: {verb} {format_count(len(rows), noun)}."
