"""The web process, `python -m mainspring.web.process`. It imports no user code (except the codec, if one is configured).

It listens before the store answers, so that the liveness probe works.
"""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from mainspring.app.processes.background_process import BackgroundProcess, run_background_process
from mainspring.app.processes.listen_addresses import is_default, record_address, with_address
from mainspring.domain.errors import ConfigError, MainspringError
from mainspring.resources.secret_store import SecretStore
from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.api.call import HandlerContext
from mainspring.web.api.change_streams import MOST
from mainspring.web.api.downloads.file_downloads import MOST as MOST_DOWNLOADS
from mainspring.web.api.ofrep import OfrepApp
from mainspring.web.api.run_event_streams import MOST as MOST_FOLLOWING
from mainspring.web.api.run_waiters import MOST as MOST_WAITING
from mainspring.web.auth.metrics_token import TOKEN_VARIABLE, find_metrics_token
from mainspring.web.auth_setup import AuthSetup
from mainspring.web.dashboard.pages_asgi import DashboardApp
from mainspring.web.pages.incident_pages import IncidentPages
from mainspring.web.pages.page_renderer import describe_error
from mainspring.web.pages.slack_actions import SlackActions
from mainspring.web.readiness_poller import ReadinessPoller
from mainspring.web.routes import ProbeRoutes, is_public
from mainspring.web.server.connection import ConnectionLimits
from mainspring.web.server.http_server import (
    build_server,
    error_headline,
    host_of,
    is_loopback,
    open_socket_at,
    open_socket_nearby,
)
from mainspring.web.webhooks.webhook_intake import WebhookIntake
from mainspring.web.webhooks.webhook_listener import WebhookListener

_MOST_CONNECTIONS = MOST + MOST_WAITING + MOST_FOLLOWING + MOST_DOWNLOADS + 600
"""Streams, downloads and requests that wait for runs, which last, and others. A new connection closes the oldest idle one."""
_AGAIN_S = 0.2
_SECRETS_EVERY_S = 60.0
_LISTEN_AGAIN_S = 5.0
_COLLECT_AFTER = 20_000
"""New objects between two collections of cycles. A page creates as many, and leaves few in cycles."""


async def serve(process: BackgroundProcess) -> int:
    """Serve until the process is asked to end."""
    poller, intake = ReadinessPoller(process), WebhookIntake(process)
    coroutines = (poller.keep(), intake.keep(), hide_secrets(process.project.secrets))
    background = [process.loop.create_task(coroutine) for coroutine in coroutines]
    stopped = process.loop.create_task(process.stopped.wait())
    webhooks = WebhookListener(process, intake)  # its own address: it works on if the address of the pages is taken
    serving = [process.loop.create_task(webhooks.serve())]
    listener = await _listen(process, intake, [*serving, *background, stopped])
    if listener is None:
        webhooks.end()
        await asyncio.gather(*serving)
        return await _close_process(process, background)
    web = process.project.settings.web
    token = find_metrics_token(web.metrics_token_file, os.environ)
    is_local = is_loopback(host_of(web.bind))
    is_open = is_local and not is_public(web.public_url)
    if token is None and not is_open:
        process.log.warning(
            "other machines can reach %s, and no token is set, so /metrics is closed. Set "
            "web.metrics_token_file or %s.",
            web.bind if web.public_url is None else web.public_url,
            TOKEN_VARIABLE,
        )
    project, store = process.project, process.project.settings.store
    file = None if store.is_remote else store.path
    incidents = IncidentPages(project.settings, process.store, project.secrets, process.store.clock)
    auth = AuthSetup(project.settings, process.store, project.secrets, project.clock, is_local_only=is_local)
    if auth.fault is not None:
        process.log.warning("no one can sign in by the identity provider: %s", describe_error(auth.fault)[1])
    site = HandlerContext(
        process.store,
        project.sealing,
        project.settings,
        process.store.clock,
        hook_answers=intake.counts.answers,
        secrets=project.secrets,
    )
    api, ofrep = ApiApp(auth.authenticator, site), OfrepApp(auth.authenticator, site)
    pages_app = DashboardApp(auth.pages, site).mounted()
    actions = SlackActions(process.store, project.secrets, process.store.clock)
    more = [*incidents.routes(), *actions.routes(), *auth.routes(), api.mounted(), *ofrep.routes(), pages_app]
    routes = ProbeRoutes(process, poller, token, is_open=is_open, intake=intake, file=file, more=more)
    app = auth.around(routes.app())
    gc.freeze()  # the code stays: a collection over all of it would double the time of a page
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    limits = ConnectionLimits(_MOST_CONNECTIONS, _MOST_CONNECTIONS // 2, auth.site.is_proxy)
    pages = build_server(app, limits)
    serving.append(process.loop.create_task(pages.serve(sockets=[listener])))
    process.log.info("listening on http://%s", web.bind)
    background.append(process.loop.create_task(report_auth_setup(process, auth)))
    # A failure of the store that no retry can fix ends the process too: `background` has the reason.
    await asyncio.wait({*serving, *background, stopped}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    api.close()
    ofrep.close()
    await actions.close()
    webhooks.end()
    await asyncio.gather(*serving)
    return await _close_process(process, background)


async def _listen(
    process: BackgroundProcess, intake: WebhookIntake, ends: Sequence[asyncio.Task[Any]]
) -> socket.socket | None:
    """Return the socket of the pages; None if one of `ends` finishes first.

    If another process has the default port, the settings of this one get the next free port. Any other taken address is tried again, and
    the error is recorded.
    """
    settings = process.project.settings
    while True:
        try:
            open_address = open_socket_nearby if is_default(settings, "web.bind") else open_socket_at
            listener, bind = await asyncio.to_thread(open_address, settings.web.bind, "web.bind")
        except ConfigError as error:
            if intake.pages_listen_error is None:
                process.log.error("%s", error)  # noqa: TRY400 - the traceback adds nothing
            intake.pages_listen_error = f"pages and API are not served: {error_headline(error)}"
        else:
            intake.pages_listen_error = None
            if bind != settings.web.bind:
                if open_address is open_socket_nearby:
                    process.log.warning(
                        "another process listens on %s: the pages are at http://%s", settings.web.bind, bind
                    )
                process.project.settings = with_address(settings, "web.bind", bind)
            return listener
        if (await asyncio.wait(ends, timeout=_LISTEN_AGAIN_S, return_when=asyncio.FIRST_COMPLETED))[0]:
            return None


async def _close_process(process: BackgroundProcess, background: Sequence[asyncio.Task[Any]]) -> int:
    """Cancel the background tasks, and close the store; return the exit code. Raises the error that ended a task."""
    for task in background:
        if task.done() and not task.cancelled():
            task.result()
        task.cancel()
    await process.close()
    return 0


async def hide_secrets(secrets: SecretStore) -> None:
    """Read all secrets, again and again, so that viewers of the API do not see their values."""
    while True:
        await asyncio.to_thread(secrets.hide_all)
        await asyncio.sleep(_SECRETS_EVERY_S)


async def report_auth_setup(process: BackgroundProcess, auth: AuthSetup) -> None:
    """Print, once the store is open, how to sign in; lasts as long as the process."""
    while True:
        if process.is_open:
            break
        await asyncio.sleep(_AGAIN_S)
    record_address(process.store, "web.bind", process.project.settings.web.bind)
    try:
        message = await auth.invitation(again=sys.stderr.isatty())
    except MainspringError as error:
        process.log.warning("no start-up link can be created: %s", error.message.splitlines()[0])
        message = None
    if message is not None:
        # Not through the log: that may be stored, and sent elsewhere.
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()
    await process.stopped.wait()


if __name__ == "__main__":
    sys.exit(run_background_process(serve))
