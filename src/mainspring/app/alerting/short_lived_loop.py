"""Short-lived event loop of a program that ends once it has sent its notifications: it waits for no name server.

A loop resolves names in threads of a pool, and its end and that of the interpreter wait for them. A name server that does not answer
would delay a wrapped command for minutes.
"""

import asyncio
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from mainspring.integrations.base.channel_thread import ChannelThread

T = TypeVar("T")


class _ShortLivedLoop(asyncio.SelectorEventLoop):
    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Resolve a name as asyncio does, in a thread that nothing waits for."""
        resolve = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        return await ChannelThread("mainspring-names").run(resolve)


def run_in_short_lived_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own, and return its result."""
    with asyncio.Runner(loop_factory=_ShortLivedLoop) as runner:
        return runner.run(coroutine)
