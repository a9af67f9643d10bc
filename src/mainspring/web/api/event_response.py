"""A response of server-sent events, which gives back what it holds when it ends."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from starlette.responses import StreamingResponse

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


class EventResponse(StreamingResponse):
    """Sends encoded events; calls `on_end` when it ends, for any reason."""

    def __init__(self, events: AsyncIterator[bytes], on_end: Callable[[], object]) -> None:
        super().__init__(events, headers=_HEADERS, media_type="text/event-stream")
        self._on_end = on_end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()
