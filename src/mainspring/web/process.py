"""`python -m mainspring.web.process`: the web process. It imports nobody's code (but the codec, where one is configured).

It listens before the store answers: that it lives is true all the same.
"""

import asyncio
import gc
import ipaddress
import os
import socket
import sys

from mainspring.app.listen_addresses import is_default, note_address, with_address
from mainspring.app.post import UNAVAILABLE
from mainspring.app.post_process import PostProcess, run_post
from mainspring.domain.errors import ConfigError, MainspringError
from mainspring.web.api.call import Site
from mainspring.web.api.changes import MOST
from mainspring.web.api.door import Api
from mainspring.web.dashboard.door import Dashboard
from mainspring.web.hook_door import HookDoor
from mainspring.web.hook_listener import HookListener
from mainspring.web.incident_pages import IncidentPages
from mainspring.web.listening import listen, listen_nearby, server
from mainspring.web.look import Look
from mainspring.web.pages import told
from mainspring.web.patience import PatientProtocol
from mainspring.web.routes import Routes
from mainspring.web.token import VARIABLE, find_token
from mainspring.web.ways_in import WaysIn

_MOST_AT_ONCE = MOST + 600
"""Connections: streams, which last, and others. Of their requests the entrance answers far fewer at a time: probes find a place."""
_AGAIN_S = 0.2
_COLLECT_AFTER = 20_000
"""New objects between two looks for cycles. A page makes as many, and leaves few in cycles."""


async def serve(process: PostProcess) -> int:
    """Answer until the process is told to end."""
    try:
        listener = _listen(process)
    except ConfigError as error:
        process.log.error("%s", error)  # noqa: TRY400 - what was done here tells nothing more
        return UNAVAILABLE
    web = process.project.settings.web
    token = find_token(web.metrics_token_file, os.environ)
    alone = is_loopback(web.bind.rpartition(":")[0].strip("[]"))
    if token is None and not alone:
        process.log.warning(
            "%s can be reached from outside and no token is set: /metrics is closed. Set web.metrics_token_file or %s.",
            web.bind,
            VARIABLE,
        )
    look, door = Look(process), HookDoor(process)
    looking = [process.loop.create_task(look.keep()), process.loop.create_task(door.keep())]
    store = process.project.settings.store
    file = None if store.is_remote else store.path
    project = process.project
    incidents = IncidentPages(project.settings, process.store, project.secrets, project.clock)
    ways = WaysIn(project.settings, process.store, project.secrets, project.clock, is_alone=alone)
    if ways.fault is not None:
        process.log.warning("nobody can sign in by the provider of identities: %s", told(ways.fault)[1])
    site = Site(process.store, project.sealing, project.settings, process.store.clock, hook_answers=door.counts.answers)
    api = Api(ways.gate, site)
    more = [*incidents.routes(), *ways.routes(), api.mounted(), Dashboard(ways.pages, site).mounted()]
    routes = Routes(process, look, token, is_open=alone, door=door, file=file, more=more)
    app = ways.around(routes.app())
    gc.freeze()  # the code stays: a look through all of it keeps a page waiting for as long as the page takes
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    pages, hooks = server(app, PatientProtocol, limit_concurrency=_MOST_AT_ONCE), HookListener(process, door)
    serving = [process.loop.create_task(pages.serve(sockets=[listener])), process.loop.create_task(hooks.serve())]
    process.log.info("listening on http://%s", web.bind)
    looking.append(process.loop.create_task(tell_ways_in(process, ways)))
    stopped = process.loop.create_task(process.stopped.wait())
    # What the store cannot mend ends the process too: `looking` has the reason.
    await asyncio.wait({*serving, *looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    api.close()
    hooks.end()
    await asyncio.gather(*serving)
    for one in looking:
        if one.done() and not one.cancelled():
            one.result()
        one.cancel()
    await process.close()
    return 0


def _listen(process: PostProcess) -> socket.socket:
    """Return a socket for the pages. Where another process has the default port, the settings of this one get the next that is free.

    Raises:
        ConfigError: no address can be had.
    """
    settings = process.project.settings
    if not is_default(settings, "web.bind"):
        return listen(settings.web.bind, "web.bind")
    listener, bind = listen_nearby(settings.web.bind, "web.bind")
    if bind != settings.web.bind:
        process.log.warning("another process has %s: the pages are at http://%s", settings.web.bind, bind)
        process.project.settings = with_address(settings, "web.bind", bind)
    return listener


async def tell_ways_in(process: PostProcess, ways: WaysIn) -> None:
    """Say, once the store is open, how to come in; it lasts as long as the process."""
    while True:
        if process.is_open:
            break
        await asyncio.sleep(_AGAIN_S)
    note_address(process.store, "web.bind", process.project.settings.web.bind)
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


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address; a name counts only if all its addresses do."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(run_post(serve))
