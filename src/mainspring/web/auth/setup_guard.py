"""Whether anybody may come in at all: else no page is served where more than this machine can reach it."""

import asyncio
from typing import Final

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people as reads

SETUP_MISSING: Final = """no page is served here: more than this machine can reach this address, and nobody may come in yet.
`mainspring open`, on a machine with this store, prints a link that opens the pages once: follow it, and add a person
at /people. Or name a provider: [web.oidc]. See docs/how-to/sign-in.md."""
_STORE_UNAVAILABLE = "the store has not answered yet"
_AGAIN_MS = 2_000


class SetupGuard:
    """`is_alone` = only this machine reaches the pages; `has_provider` = somebody else says who is who."""

    def __init__(self, store: ProcessStore, clock: Clock, *, is_alone: bool, has_provider: bool) -> None:
        self._store = store
        self._clock = clock
        self._is_open = is_alone or has_provider
        self._looked_at: int | None = None
        self._why = _STORE_UNAVAILABLE

    async def why_closed(self) -> str | None:
        """Return why no page is served, with what to do; None = pages are served."""
        now = self._clock.now()
        if not self._is_open and (self._looked_at is None or now - self._looked_at >= _AGAIN_MS):
            self._looked_at = now
            try:
                self._is_open = await asyncio.to_thread(reads.has_credentials, self._store.reader, now)
                self._why = SETUP_MISSING
            except MainspringError:
                self._why = _STORE_UNAVAILABLE
        return None if self._is_open else self._why
