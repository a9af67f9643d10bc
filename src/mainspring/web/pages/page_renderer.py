"""The renderer of pages: the frame, forms, operations with their own command id, errors as a sentence."""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mainspring.config.settings import ProjectSettings
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.errors import BusyError, MainspringError, StoreError
from mainspring.domain.time.cron import find_zone
from mainspring.domain.values.plain_json import format_iso
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.version import __version__
from mainspring.web.auth.authenticator import VISITOR_KEY, Authenticator, request_path
from mainspring.web.auth.middleware import FORM_KEY
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.pages.assets import Assets
from mainspring.web.pages.template_environment import build_environment, link_to_page

_THREADS = 9
_COMMAND_BITS = 80
_T = TypeVar("_T")


class PageRenderer:
    """Renders pages, and runs blocking calls in its own threads: many sign-ins do not delay a probe."""

    def __init__(self, project: ProjectSettings, site: PublicSite, authenticator: Authenticator, clock: Clock) -> None:
        self.assets = Assets()
        self.site = site
        self.authenticator = authenticator
        self.clock = clock
        self.read_bar_status: Callable[[Visitor], Any] = lambda visitor: None
        """Returns the project status for the bar of a page; set by the dashboard. Blocking."""
        self._project = project
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mainspring-pages")
        self._templates = build_environment(find_zone(project.timezone), clock)

    def page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """Return a page; `message` is shown above it."""
        visitor = request.scope.get(VISITOR_KEY)
        environment = self._project.environment
        defaults: dict[str, Any] = {
            "base": self.site.base,
            "asset": lambda asset: self.site.base + self.assets.path(asset),
            "here": lambda **changes: link_to_page(request, self.site.base, changes),
            "version": __version__,
            "served_at": format_iso(self.clock.now()),
            "form": self.authenticator.form_token(request) if visitor is not None else "",
            "page": f"page.{self.clock.random_bits(_COMMAND_BITS):x}",
            "project": self._project.name or "mainspring",
            "environment": None if environment == "production" else environment,
            "visitor": visitor,
            "message": "",
            "bar_status": None,
            "at": "",
            "is_error": False,
        }
        return HTMLResponse(self._templates.get_template(name).render(defaults | values), status)

    async def run(self, call: Callable[[], _T]) -> _T:
        """Run a blocking call in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def act(self, request: Request) -> OperationContext:
        """Return the operation of a form: submitted twice from one page, it is done once."""
        visitor = read_visitor(request)
        return operation_context(Actor(visitor.entry_point, visitor.name), self.clock, command=self.command(request))

    def command(self, request: Request) -> str:
        """Return the command id of a form: a keyed hash of its path and all its fields, with its session's secret as the key.

        Ids are recorded: a hash of one field alone would let a reader try which password or input it was.
        """
        form = read_form(request)
        fields = sorted((name, value) for name, value in form.items() if name not in ("form", "page"))
        signed_text = f"{request_path(request)}\x1f{fields!r}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self.authenticator.form_token(request).encode(), signed_text, "sha256").hex()[:24]
        page = form.get("page", "")
        return f"{page[:60]}.{digest}" if page else f"page.{digest}"


def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the request's form; empty without a form."""
    form: dict[str, str] = request.scope.get(FORM_KEY, {})
    return form


def read_visitor(request: Request) -> Visitor:
    """Return the visitor: the middleware lets no request in without one."""
    visitor: Visitor = request.scope[VISITOR_KEY]
    return visitor


def describe_error(error: MainspringError) -> tuple[int, str]:
    """Return the status and the sentence of an error."""
    status = 429 if isinstance(error, BusyError) else 503 if isinstance(error, StoreError) else 409
    wait = f": try again in {retry_after_s(error)} s" if isinstance(error, BusyError) else ""
    hint = f". {error.hint}" if error.hint and not wait else ""
    return status, f"{error.message.splitlines()[0]}{wait}{hint}"


def retry_after_s(error: BusyError) -> int:
    """Return the seconds until a retry makes sense."""
    return max(1, ceil(error.retry_after.total_seconds()))
