"""A connection that asks for nothing is closed: else a hundred that never end their question would keep the probes from being answered."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_S = 10.0
"""Within so many seconds a question is whole."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 on one connection, looked at each `PATIENCE_S`: while an answer is on its way it stays open, however long that takes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._looking = self.loop.call_later(PATIENCE_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End looking."""
        self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
        else:
            self._looking = self.loop.call_later(PATIENCE_S, self._look)
