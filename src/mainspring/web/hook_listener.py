"""The second listener of the web process, for webhooks alone: it may be public while the first is not."""

import asyncio
import logging

from mainspring.app.post_process import PostProcess
from mainspring.domain.errors import ConfigError
from mainspring.web.hook_door import HookDoor
from mainspring.web.hook_protocol import KEEP_ALIVE_S, LONGEST_HEAD, HookProtocol
from mainspring.web.hooks import Hooks
from mainspring.web.listening import first_line, listen, server

_AGAIN_S = 5.0
_LOG = logging.getLogger("mainspring.web.hooks")


class HookListener:
    """Listens until it is told to end. An address that cannot be had is tried again: probes and figures are answered all the same."""

    def __init__(self, process: PostProcess, door: HookDoor) -> None:
        self._process = process
        self._door = door
        self._settings = process.project.settings.hooks
        hooks = Hooks(door, self._settings, process.project.secrets)
        self._server = server(
            hooks, HookProtocol, timeout_keep_alive=KEEP_ALIVE_S, h11_max_incomplete_event_size=LONGEST_HEAD
        )
        self._ended = asyncio.Event()

    async def serve(self) -> None:
        """Serve until `end`."""
        told = ""
        while not self._ended.is_set():
            try:
                listener = await asyncio.to_thread(listen, self._settings.bind, "hooks.bind")
            except ConfigError as error:
                if error.message != told:
                    told = error.message
                    _LOG.error("%s", error)
                self._door.trouble = f"webhooks are not taken in: {first_line(error)}"
            else:
                self._door.trouble = None
                _LOG.info("webhooks are taken in on http://%s", self._settings.bind)
                await self._server.serve(sockets=[listener])
                return
            try:
                async with asyncio.timeout(_AGAIN_S):
                    await self._ended.wait()
            except TimeoutError:
                continue

    def end(self) -> None:
        """End; requests under way are answered first, within a few seconds."""
        self._ended.set()
        self._server.should_exit = True
