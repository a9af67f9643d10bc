"""The event loop of a program that ends when it has told people: it waits for no name server.

A loop looks names up in threads of a pool, which its end and that of the interpreter wait for: a name server that does not answer would
keep a wrapped command for minutes.
"""

import asyncio
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from mainspring.alerting.notifiers.channel_thread import ChannelThread

T = TypeVar("T")


class _ShortLivedLoop(asyncio.SelectorEventLoop):
    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """As asyncio's, in a thread that nobody waits for."""
        look_up = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await ChannelThread("mainspring-names").run(look_up)


def run_in_short_lived_loop(act: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in a loop of its own, and return what it returns."""
    with asyncio.Runner(loop_factory=_ShortLivedLoop) as runner:
        return runner.run(act)
