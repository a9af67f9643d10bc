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
from mainspring.web.api.call import Site
from mainspring.web.api.changes import MOST
from mainspring.web.api.door import Api
from mainspring.web.api.run_waits import MOST as MOST_WAITING
from mainspring.web.connection import ConnectionLimits
from mainspring.web.dashboard.door import Dashboard
from mainspring.web.hook_door import HookDoor
from mainspring.web.hook_listener import HookListener
from mainspring.web.incident_pages import IncidentPages
from mainspring.web.listening import first_line, host_of, is_loopback, listen_at, listen_nearby, server
from mainspring.web.look import Look
from mainspring.web.pages import told
from mainspring.web.routes import Routes, is_public
from mainspring.web.token import VARIABLE, find_token
from mainspring.web.ways_in import WaysIn

_MOST_CONNECTIONS = MOST + MOST_WAITING + 600
"""Streams and requests that wait for runs, which last, and others. The oldest idle one is closed for one more."""
_AGAIN_S = 0.2
_SECRETS_EVERY_S = 60.0
_LISTEN_AGAIN_S = 5.0
_COLLECT_AFTER = 20_000
"""New objects between two looks for cycles. A page makes as many, and leaves few in cycles."""


async def serve(process: BackgroundProcess) -> int:
    """Answer until the process is told to end."""
    look, door = Look(process), HookDoor(process)
    keeping = (look.keep(), door.keep(), hide_secrets(process.project.secrets))
    looking = [process.loop.create_task(kept) for kept in keeping]
    stopped = process.loop.create_task(process.stopped.wait())
    hooks = HookListener(process, door)  # its own address: it goes on where that of the pages is taken
    serving = [process.loop.create_task(hooks.serve())]
    listener = await _listen(process, door, [*serving, *looking, stopped])
    if listener is None:
        hooks.end()
        await asyncio.gather(*serving)
        return await _close(process, looking)
    web = process.project.settings.web
    token = find_token(web.metrics_token_file, os.environ)
    alone = is_loopback(host_of(web.bind))
    is_open = alone and not is_public(web.public_url)
    if token is None and not is_open:
        process.log.warning(
            "%s can be reached from outside and no token is set: /metrics is closed. Set web.metrics_token_file or %s.",
            web.bind if web.public_url is None else web.public_url,
            VARIABLE,
        )
    store = process.project.settings.store
    file = None if store.is_remote else store.path
    project = process.project
    incidents = IncidentPages(project.settings, process.store, project.secrets, process.store.clock)
    ways = WaysIn(project.settings, process.store, project.secrets, project.clock, is_alone=alone)
    if ways.fault is not None:
        process.log.warning("nobody can sign in by the provider of identities: %s", told(ways.fault)[1])
    site = Site(process.store, project.sealing, project.settings, process.store.clock, hook_answers=door.counts.answers)
    api = Api(ways.gate, site)
    more = [*incidents.routes(), *ways.routes(), api.mounted(), Dashboard(ways.pages, site).mounted()]
    routes = Routes(process, look, token, is_open=is_open, door=door, file=file, more=more)
    app = ways.around(routes.app())
    gc.freeze()  # the code stays: a look through all of it keeps a page waiting for as long as the page takes
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    limits = ConnectionLimits(_MOST_CONNECTIONS, _MOST_CONNECTIONS // 2, ways.site.is_proxy)
    pages = server(app, limits)
    serving.append(process.loop.create_task(pages.serve(sockets=[listener])))
    process.log.info("listening on http://%s", web.bind)
    looking.append(process.loop.create_task(tell_ways_in(process, ways)))
    # What the store cannot mend ends the process too: `looking` has the reason.
    await asyncio.wait({*serving, *looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    api.close()
    hooks.end()
    await asyncio.gather(*serving)
    return await _close(process, looking)


async def _listen(
    process: BackgroundProcess, door: HookDoor, ends: Sequence[asyncio.Task[Any]]
) -> socket.socket | None:
    """Return the socket of the pages; None if one of `ends` comes first.

    Where another process has the default port, the settings of this one get the next that is free. Any other address that is taken is
    tried again, and on record.
    """
    settings = process.project.settings
    while True:
        try:
            take = listen_nearby if is_default(settings, "web.bind") else listen_at
            listener, bind = await asyncio.to_thread(take, settings.web.bind, "web.bind")
        except ConfigError as error:
            if door.pages_trouble is None:
                process.log.error("%s", error)  # noqa: TRY400 - what was done here tells nothing more
            door.pages_trouble = f"pages and API are not served: {first_line(error)}"
        else:
            door.pages_trouble = None
            if bind != settings.web.bind:
                if take is listen_nearby:
                    process.log.warning("another process has %s: the pages are at http://%s", settings.web.bind, bind)
                process.project.settings = with_address(settings, "web.bind", bind)
            return listener
        if (await asyncio.wait(ends, timeout=_LISTEN_AGAIN_S, return_when=asyncio.FIRST_COMPLETED))[0]:
            return None


async def _close(process: BackgroundProcess, looking: Sequence[asyncio.Task[Any]]) -> int:
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


async def tell_ways_in(process: BackgroundProcess, ways: WaysIn) -> None:
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
