"""Routes of the web process: two public probes, the metrics behind their token, and the routes it is given. Anything else is 404."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mainspring.alerting.metrics.metrics_reader import MetricsReader
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
    """The handlers of one web process. `is_open` = the metrics need no token, because only programs of this machine can read them.

    `file` = the store's file, None on a server.
    """

    def __init__(
        self,
        process: BackgroundProcess,
        poller: ReadinessPoller,
        token: MetricsToken | None,
        *,
        is_open: bool,
        intake: WebhookIntake,
        file: Path | None = None,
        more: Sequence[Route] = (),
    ) -> None:
        self._more = more
        self._process = process
        self._poller = poller
        self._token = token
        self._is_open = is_open
        self._intake = intake
        self._metrics = MetricsReader(file, intake.counts.answers)
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
            exception_handlers={MainspringError: self._store_unavailable},
        )
        app.router.redirect_slashes = False
        return app

    async def _store_unavailable(self, request: Request, error: Exception) -> Response:
        """Answer an error that no page handled: the store became unreachable meanwhile."""
        text = str(error).partition("\n")[0]
        return PlainTextResponse(f"{text}\n", status_code=503, headers={**_HEADERS, "Retry-After": "5"})

    async def healthz(self, request: Request) -> Response:
        """Answer that the process lives, whatever the store does."""
        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def readyz(self, request: Request) -> Response:
        """Answer whether the store answers and the processes of `mainspring up` on this host live."""
        missing = self._poller.missing()
        if self._intake.listen_error is not None and len(self._intake.table):
            missing = [*missing, self._intake.listen_error]
        return JSONResponse(
            {"ready": not missing, "missing": missing}, status_code=503 if missing else 200, headers=_HEADERS
        )

    async def metrics(self, request: Request) -> Response:
        """Return the metrics, to a client with the token."""
        is_allowed = (
            self._is_open and not is_forwarded(request.headers)
            if self._token is None
            else self._token.opens(request.headers.get("authorization"))
        )
        if not is_allowed:
            headers = {**_HEADERS, "WWW-Authenticate": 'Bearer realm="metrics"'}
            return PlainTextResponse(
                "a token is needed: see web.metrics_token_file\n", status_code=401, headers=headers
            )
        if not self._poller.is_open:
            return PlainTextResponse("the store has not answered yet\n", status_code=503, headers=_HEADERS)
        try:
            async with self._reading:  # one request at a time reads the store
                text = await asyncio.to_thread(self._read)
        except MainspringError as error:
            return PlainTextResponse(f"{error.message.splitlines()[0]}\n", status_code=503, headers=_HEADERS)
        return Response(text, headers={**_HEADERS, "Content-Type": CONTENT_TYPE})

    def _read(self) -> str:
        return render_exposition(self._metrics.read(self._process.store.reader, self._process.store.clock.now()))


def is_public(url: str | None) -> bool:
    """Return whether a public address says that a proxy exposes this listener to others."""
    return url is not None and not is_local(urlsplit(url).netloc)


def is_forwarded(headers: Headers) -> bool:
    """Return whether a proxy sent this request for another machine, or a browser used a name that is not this machine's."""
    return any(name in headers for name in _BY_PROXIES) or not is_local(headers.get("host", _NO_HOST))
