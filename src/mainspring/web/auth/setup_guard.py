"""The setup guard: without any person or provider, no page is served on an address that other machines can reach."""

import asyncio
from typing import Final

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people

SETUP_MISSING: Final = """no page is served here: other machines can reach this address, and no one can sign in yet.
`mainspring open`, on a machine with this store, prints a one-time link: follow it, and add a person at /people.
Or configure an identity provider: [web.oidc]. See: mainspring docs show sign-in"""
_STORE_UNAVAILABLE = "the store has not answered yet"
_AGAIN_MS = 2_000


class SetupGuard:
    """The guard. `is_local_only` = only this machine can reach the pages; `has_provider` = an identity provider is configured."""

    def __init__(self, store: ProcessStore, clock: Clock, *, is_local_only: bool, has_provider: bool) -> None:
        self._store = store
        self._clock = clock
        self._is_open = is_local_only or has_provider
        self._checked_at: int | None = None
        self._reason = _STORE_UNAVAILABLE

    async def closed_reason(self) -> str | None:
        """Return why no page is served, with the fix; None = pages are served."""
        now = self._clock.now()
        if not self._is_open and (self._checked_at is None or now - self._checked_at >= _AGAIN_MS):
            self._checked_at = now
            try:
                self._is_open = await asyncio.to_thread(people.has_credentials, self._store.reader, now)
                self._reason = SETUP_MISSING
            except MainspringError:
                self._reason = _STORE_UNAVAILABLE
        return None if self._is_open else self._reason
