"""The listener for webhooks alone, the second of the web process: it may be public while the first is not."""

import asyncio
import logging
import socket

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.listen_addresses import is_default, record_address
from mainspring.domain.errors import ConfigError
from mainspring.domain.text.ip_networks import IpNetworks
from mainspring.web.server.allowed_hosts import AllowedHosts
from mainspring.web.server.connection import ConnectionLimits
from mainspring.web.server.http_server import (
    build_server,
    error_headline,
    host_of,
    is_loopback,
    open_socket_at,
    open_socket_nearby,
)
from mainspring.web.webhooks.webhook_asgi import WebhookApp
from mainspring.web.webhooks.webhook_intake import WebhookIntake

_AGAIN_S, _NOTE_AGAIN_S = 5.0, 0.2
KEEP_ALIVE_S = 75
"""Longer than the 60 seconds of most proxies: else they would use a connection that is just being closed."""
LONGEST_HEAD = 64 * 1024
"""The longest head of a request: above the limit of its headers, so that too long ones get a reply (431)."""
MOST_CONNECTIONS, MOST_OF_ADDRESS = 512, 256
_PRODUCTION = "production"
_LOG = logging.getLogger("mainspring.web.hooks")


class WebhookListener:
    """The listener. An address that is unavailable is tried again; probes and metrics are served meanwhile."""

    def __init__(self, process: BackgroundProcess, intake: WebhookIntake) -> None:
        self._process = process
        self._intake = intake
        web, self._settings = process.project.settings.web, process.project.settings.hooks
        bind, public_url = self._settings.bind, self._settings.public_url
        hosts = AllowedHosts(bind, public_url, web.allowed_hosts, is_loopback=is_loopback(host_of(bind)))
        limits = ConnectionLimits(MOST_CONNECTIONS, MOST_OF_ADDRESS, IpNetworks(web.trusted_proxies).__contains__)
        self._server = build_server(
            WebhookApp(intake, self._settings, process.project.secrets, hosts),
            limits,
            timeout_keep_alive=KEEP_ALIVE_S,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )
        self._ended = asyncio.Event()
        self._recording: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until `end`."""
        logged = ""
        while not self._ended.is_set():
            try:
                listener, bind = await asyncio.to_thread(self._listen)
            except ConfigError as error:
                if error.message != logged:
                    logged = error.message
                    _LOG.error("%s", error)
                self._intake.listen_error = f"webhooks are not accepted: {error_headline(error)}"
            else:
                self._intake.listen_error = None
                _LOG.info("accepting webhooks on http://%s", bind)
                self._recording = self._process.loop.create_task(self._record_address(bind))
                await self._server.serve(sockets=[listener])
                return
            try:
                async with asyncio.timeout(_AGAIN_S):
                    await self._ended.wait()
            except TimeoutError:
                continue

    def _listen(self) -> tuple[socket.socket, str]:
        """Return a socket and its address; the next free one if another process has the default. Raises ConfigError."""
        bind = self._settings.bind
        if is_default(self._process.project.settings, "hooks.bind"):
            return open_socket_nearby(bind, "hooks.bind")
        return open_socket_at(bind, "hooks.bind")

    async def _record_address(self, bind: str) -> None:
        """Record the address of webhooks once the store is open. Warn of an address that their senders do not expect."""
        while True:
            if self._process.is_open and self._intake.table.is_read:
                break
            await asyncio.sleep(_NOTE_AGAIN_S)
        record_address(self._process.store, "hooks.bind", bind)
        settings, configured = self._process.project.settings, self._settings.bind
        if bind == configured or not is_default(settings, "hooks.bind"):
            return
        text = (
            f"webhooks are accepted at {bind}, because another process uses {configured}: senders that use "
            f"{configured} reach that one"
        )
        if len(self._intake.table):
            _LOG.warning("%s. Set hooks.bind", text)
        if settings.project.environment == _PRODUCTION:
            self._intake.moved = text

    def end(self) -> None:
        """End; pending requests are answered first, within a few seconds."""
        self._ended.set()
        if self._recording is not None:
            self._recording.cancel()
        self._server.should_exit = True
