"""`python -m mainspring.web.process`: the web process. It imports nobody's code (but the codec, where one is configured).

It listens before the store answers: that it lives is true all the same.
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
from mainspring.web.api.run_waiters import MOST as MOST_WAITING
from mainspring.web.auth.metrics_token import TOKEN_VARIABLE, find_metrics_token
from mainspring.web.auth_setup import AuthSetup
from mainspring.web.dashboard.pages_asgi import DashboardApp
from mainspring.web.pages.incident_pages import IncidentPages
from mainspring.web.pages.page_renderer import describe_error
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

_MOST_CONNECTIONS = MOST + MOST_WAITING + 600
"""Streams and requests that wait for runs, which last, and others. The oldest idle one is closed for one more."""
_AGAIN_S = 0.2
_SECRETS_EVERY_S = 60.0
_LISTEN_AGAIN_S = 5.0
_COLLECT_AFTER = 20_000
"""New objects between two looks for cycles. A page makes as many, and leaves few in cycles."""


async def serve(process: BackgroundProcess) -> int:
    """Answer until the process is told to end."""
    look, door = ReadinessPoller(process), WebhookIntake(process)
    keeping = (look.keep(), door.keep(), hide_secrets(process.project.secrets))
    looking = [process.loop.create_task(kept) for kept in keeping]
    stopped = process.loop.create_task(process.stopped.wait())
    hooks = WebhookListener(process, door)  # its own address: it goes on where that of the pages is taken
    serving = [process.loop.create_task(hooks.serve())]
    listener = await _listen(process, door, [*serving, *looking, stopped])
    if listener is None:
        hooks.end()
        await asyncio.gather(*serving)
        return await _close_process(process, looking)
    web = process.project.settings.web
    token = find_metrics_token(web.metrics_token_file, os.environ)
    alone = is_loopback(host_of(web.bind))
    is_open = alone and not is_public(web.public_url)
    if token is None and not is_open:
        process.log.warning(
            "%s can be reached from outside and no token is set: /metrics is closed. Set web.metrics_token_file or %s.",
            web.bind if web.public_url is None else web.public_url,
            TOKEN_VARIABLE,
        )
    store = process.project.settings.store
    file = None if store.is_remote else store.path
    project = process.project
    incidents = IncidentPages(project.settings, process.store, project.secrets, process.store.clock)
    ways = AuthSetup(project.settings, process.store, project.secrets, project.clock, is_alone=alone)
    if ways.fault is not None:
        process.log.warning("nobody can sign in by the provider of identities: %s", describe_error(ways.fault)[1])
    site = HandlerContext(
        process.store, project.sealing, project.settings, process.store.clock, hook_answers=door.counts.answers
    )
    api = ApiApp(ways.gate, site)
    more = [*incidents.routes(), *ways.routes(), api.mounted(), DashboardApp(ways.pages, site).mounted()]
    routes = ProbeRoutes(process, look, token, is_open=is_open, door=door, file=file, more=more)
    app = ways.around(routes.app())
    gc.freeze()  # the code stays: a look through all of it keeps a page waiting for as long as the page takes
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    limits = ConnectionLimits(_MOST_CONNECTIONS, _MOST_CONNECTIONS // 2, ways.site.is_proxy)
    pages = build_server(app, limits)
    serving.append(process.loop.create_task(pages.serve(sockets=[listener])))
    process.log.info("listening on http://%s", web.bind)
    looking.append(process.loop.create_task(report_auth_setup(process, ways)))
    # What the store cannot mend ends the process too: `looking` has the reason.
    await asyncio.wait({*serving, *looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    api.close()
    hooks.end()
    await asyncio.gather(*serving)
    return await _close_process(process, looking)


async def _listen(
    process: BackgroundProcess, door: WebhookIntake, ends: Sequence[asyncio.Task[Any]]
) -> socket.socket | None:
    """Return the socket of the pages; None if one of `ends` comes first.

    Where another process has the default port, the settings of this one get the next that is free. Any other address that is taken is
    tried again, and on record.
    """
    settings = process.project.settings
    while True:
        try:
            take = open_socket_nearby if is_default(settings, "web.bind") else open_socket_at
            listener, bind = await asyncio.to_thread(take, settings.web.bind, "web.bind")
        except ConfigError as error:
            if door.pages_trouble is None:
                process.log.error("%s", error)  # noqa: TRY400 - what was done here tells nothing more
            door.pages_trouble = f"pages and API are not served: {error_headline(error)}"
        else:
            door.pages_trouble = None
            if bind != settings.web.bind:
                if take is open_socket_nearby:
                    process.log.warning("another process has %s: the pages are at http://%s", settings.web.bind, bind)
                process.project.settings = with_address(settings, "web.bind", bind)
            return listener
        if (await asyncio.wait(ends, timeout=_LISTEN_AGAIN_S, return_when=asyncio.FIRST_COMPLETED))[0]:
            return None


async def _close_process(process: BackgroundProcess, looking: Sequence[asyncio.Task[Any]]) -> int:
    """End what looks at the store, and close it; return the exit code. Raises what ended one of them."""
    for one in looking:
        if one.done() and not one.cancelled():
            one.result()
        one.cancel()
    await process.close()
    return 0


async def hide_secrets(secrets: SecretStore) -> None:
    """Learn which secrets there are, for as long as the process lives: viewers of the API do not see their values."""
    while True:
        await asyncio.to_thread(secrets.hide_all)
        await asyncio.sleep(_SECRETS_EVERY_S)


async def report_auth_setup(process: BackgroundProcess, ways: AuthSetup) -> None:
    """Say, once the store is open, how to come in; it lasts as long as the process."""
    while True:
        if process.is_open:
            break
        await asyncio.sleep(_AGAIN_S)
    record_address(process.store, "web.bind", process.project.settings.web.bind)
    try:
        said = await ways.invitation(again=sys.stderr.isatty())
    except MainspringError as error:
        process.log.warning("no start-up link can be made: %s", error.message.splitlines()[0])
        said = None
    if said is not None:
        # Not through the log: that may be kept, and sent elsewhere.
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()
    await process.stopped.wait()


if __name__ == "__main__":
    sys.exit(run_background_process(serve))
