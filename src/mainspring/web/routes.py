"""What is answered: two probes without a password, the figures behind their token, pages behind links, and nothing else (404)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mainspring.alerting.metrics.figures_reader import FiguresReader
from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.domain.errors import MainspringError
from mainspring.web.auth.metrics_token import MetricsToken
from mainspring.web.exposition import CONTENT_TYPE, render_exposition
from mainspring.web.readiness_poller import ReadinessPoller
from mainspring.web.server.allowed_hosts import is_local
from mainspring.web.webhooks.webhook_intake import WebhookIntake

_BY_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_NO_HOST = "127.0.0.1"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ProbeRoutes:
    """The handlers of one web process. `is_open` = the figures need no token: only programs of this machine hear them.

    `file` = the store's own, None where it is on a server.
    """

    def __init__(
        self,
        process: BackgroundProcess,
        look: ReadinessPoller,
        token: MetricsToken | None,
        *,
        is_open: bool,
        door: WebhookIntake,
        file: Path | None = None,
        more: Sequence[Route] = (),
    ) -> None:
        self._more = more
        self._process = process
        self._look = look
        self._token = token
        self._is_open = is_open
        self._door = door
        self._figures = FiguresReader(file, door.counts.answers)
        self._reading = asyncio.Lock()

    def app(self) -> Starlette:
        """Return the application. Paths are exact."""
        app = Starlette(
            routes=[
                Route("/healthz", self.healthz, methods=["GET"]),
                Route("/readyz", self.readyz, methods=["GET"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                *self._more,
            ],
            exception_handlers={MainspringError: self._away},
        )
        app.router.redirect_slashes = False
        return app

    async def _away(self, request: Request, error: Exception) -> Response:
        """Tell what no page caught: the store went away between two looks at it."""
        said = str(error).partition("\n")[0]
        return PlainTextResponse(f"{said}\n", status_code=503, headers={**_HEADERS, "Retry-After": "5"})

    async def healthz(self, request: Request) -> Response:
        """The process lives, whatever the store does."""
        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def readyz(self, request: Request) -> Response:
        """The store answers, and what `mainspring up` keeps on this host lives."""
        missing = self._look.missing()
        if self._door.trouble is not None and len(self._door.table):
            missing = [*missing, self._door.trouble]
        return JSONResponse(
            {"ready": not missing, "missing": missing}, status_code=503 if missing else 200, headers=_HEADERS
        )

    async def metrics(self, request: Request) -> Response:
        """The figures, for whoever has the token."""
        is_let_in = (
            self._is_open and not is_forwarded(request.headers)
            if self._token is None
            else self._token.opens(request.headers.get("authorization"))
        )
        if not is_let_in:
            headers = {**_HEADERS, "WWW-Authenticate": 'Bearer realm="metrics"'}
            return PlainTextResponse(
                "a token is needed: see web.metrics_token_file\n", status_code=401, headers=headers
            )
        if not self._look.is_open:
            return PlainTextResponse("the store has not answered yet\n", status_code=503, headers=_HEADERS)
        try:
            async with self._reading:  # however many ask, the store is asked by one of them at a time
                text = await asyncio.to_thread(self._read)
        except MainspringError as error:
            return PlainTextResponse(f"{error.message.splitlines()[0]}\n", status_code=503, headers=_HEADERS)
        return Response(text, headers={**_HEADERS, "Content-Type": CONTENT_TYPE})

    def _read(self) -> str:
        return render_exposition(self._figures.read(self._process.store.reader, self._process.store.clock.now()))


def is_public(url: str | None) -> bool:
    """Tell whether a public address says that a proxy shows this listener to others."""
    return url is not None and not is_local(urlsplit(url).netloc)


def is_forwarded(headers: Headers) -> bool:
    """Tell whether a proxy sent this request for another machine, or a browser for a name that is not this machine's."""
    return any(name in headers for name in _BY_PROXIES) or not is_local(headers.get("host", _NO_HOST))
