"""What the pages of people have alike: the frame, forms, acts with a command id of their own, errors as a sentence."""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mainspring import __version__
from mainspring.config.settings import ProjectSettings
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.errors import BusyError, MainspringError, StoreError
from mainspring.domain.time.cron import find_zone
from mainspring.domain.values.plain_json import format_iso
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.web.auth.authenticator import VISITOR_KEY, Authenticator, request_path
from mainspring.web.auth.middleware import FORM_KEY
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.pages.assets import Assets
from mainspring.web.pages.template_environment import build_environment, link_to_page

_THREADS = 9
_COMMAND_BITS = 80
_T = TypeVar("_T")


class PageRenderer:
    """Renders, and runs what blocks in threads of its own: a crowd at the sign-in keeps no probe waiting."""

    def __init__(self, project: ProjectSettings, site: PublicSite, gate: Authenticator, clock: Clock) -> None:
        self.assets = Assets()
        self.site = site
        self.gate = gate
        self.clock = clock
        self.verdict_of: Callable[[Visitor], Any] = lambda visitor: None
        """What stands in the bar of a page; the dashboard tells it, where there is one. It blocks."""
        self._project = project
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mainspring-pages")
        self._templates = build_environment(find_zone(project.timezone), clock)

    def page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """Return a page; `said` = what is told above it."""
        visitor = request.scope.get(VISITOR_KEY)
        environment = self._project.environment
        shown: dict[str, Any] = {
            "base": self.site.base,
            "asset": lambda asset: self.site.base + self.assets.path(asset),
            "here": lambda **changes: link_to_page(request, self.site.base, changes),
            "version": __version__,
            "served_at": format_iso(self.clock.now()),
            "form": self.gate.form_token(request) if visitor is not None else "",
            "page": f"page.{self.clock.random_bits(_COMMAND_BITS):x}",
            "project": self._project.name or "mainspring",
            "environment": None if environment == "production" else environment,
            "visitor": visitor,
            "said": "",
            "verdict": None,
            "at": "",
            "wrong": False,
        }
        return HTMLResponse(self._templates.get_template(name).render(shown | values), status)

    async def run(self, do: Callable[[], _T]) -> _T:
        """Do what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, do)

    def act(self, request: Request) -> OperationContext:
        """Return the act that a form asks for: pressed twice on one page it is done once."""
        visitor = read_visitor(request)
        return operation_context(Actor(visitor.door, visitor.name), self.clock, command=self.command(request))

    def command(self, request: Request) -> str:
        """Return the id of the act that a form asks for: made of its page and all its fields, and with them of its session's secret.

        Ids are on record: by one of the fields alone whoever reads them could try which password or input it was.
        """
        form = read_form(request)
        fields = sorted((name, value) for name, value in form.items() if name not in ("form", "page"))
        told = f"{request_path(request)}\x1f{fields!r}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self.gate.form_token(request).encode(), told, "sha256").hex()[:24]
        page = form.get("page", "")
        return f"{page[:60]}.{digest}" if page else f"page.{digest}"


def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form that came; none where none came."""
    found: dict[str, str] = request.scope.get(FORM_KEY, {})
    return found


def read_visitor(request: Request) -> Visitor:
    """Return who asks: nobody comes so far without the gate."""
    found: Visitor = request.scope[VISITOR_KEY]
    return found


def describe_error(error: MainspringError) -> tuple[int, str]:
    """Return the status and the sentence of an error."""
    status = 429 if isinstance(error, BusyError) else 503 if isinstance(error, StoreError) else 409
    wait = f": try again in {retry_after_s(error)} s" if isinstance(error, BusyError) else ""
    hint = f". {error.hint}" if error.hint and not wait else ""
    return status, f"{error.message.splitlines()[0]}{wait}{hint}"


def retry_after_s(error: BusyError) -> int:
    """Return after how many seconds it is of use to try again."""
    return max(1, ceil(error.retry_after.total_seconds()))
