"""`python -m mainspring.web.process`: the web process. It imports nobody's code.

It listens before the store answers: that it lives is true all the same.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from mainspring.app.post import UNAVAILABLE
from mainspring.app.post_process import PostProcess, run_post
from mainspring.web.look import Look
from mainspring.web.patience import PatientProtocol
from mainspring.web.routes import Routes
from mainspring.web.token import VARIABLE, find_token

_END_WITHIN_S = 3
"""An open connection must not keep the process from ending."""
_MOST_AT_ONCE = 100
_BACKLOG = 128
_TAKEN = "another process listens there (another project, or another `mainspring up`?)"


class _Server(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(process: PostProcess) -> int:
    """Answer until the process is told to end."""
    web = process.project.settings.web
    host, _, port = web.bind.rpartition(":")
    token = find_token(web.metrics_token_file, os.environ)
    listener = _listen(process, host.strip("[]"), int(port))
    if listener is None:
        return UNAVAILABLE
    alone = is_loopback(host.strip("[]"))
    if token is None and not alone:
        process.log.warning(
            "%s can be reached from outside and no token is set: /metrics is closed. Set web.metrics_token_file or %s.",
            web.bind,
            VARIABLE,
        )
    look = Look(process)
    looking = process.loop.create_task(look.keep())
    server = _Server(_config(Routes(process, look, token, is_open=alone)))
    serving = process.loop.create_task(server.serve(sockets=[listener]))
    process.log.info("listening on http://%s", web.bind)
    stopped = process.loop.create_task(process.stopped.wait())
    # What the store cannot mend ends the process too: `looking` has the reason.
    await asyncio.wait({serving, looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    if looking.done():
        looking.result()
    looking.cancel()
    await process.close()
    return 0


def _config(routes: Routes) -> uvicorn.Config:
    return uvicorn.Config(
        routes.app(),
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_END_WITHIN_S,
    )


def _listen(process: PostProcess, host: str, port: int) -> socket.socket | None:
    """Return the listening socket; None where it cannot be had, which is told."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = _TAKEN if error.errno == errno.EADDRINUSE else error.strerror
    process.log.error("cannot listen on %s:%d: %s. Choose another address: web.bind", host, port, why)
    return None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address; a name counts only if all its addresses do."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(run_post(serve))
