"""The record of a stall: the watching thread writes to the store that the loop is blocked and by which code. Monitoring reads it there."""

import logging

from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import Store
from mainspring.store.commands.sessions import RecordBlockedLoop

_LOG = logging.getLogger("mainspring.worker")


class StallRecord:
    """Writes the record for one process; any thread may use it. The committing thread writes it and needs no loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def started(self, frames: list[str], since: float) -> None:
        """Record that the loop has not turned for `since` seconds; `frames` as StallWatch passes them."""
        lines = tuple(KNOWN_SECRETS.redact(line) for line in frames) or ("unknown place",)
        _LOG.error("the loop has been blocked for %.1f s by:\n  %s", since, "\n  ".join(lines))
        self._store.submit(RecordBlockedLoop(round(since * 1000), lines), ignore_answer)

    def ended(self) -> None:
        """Record that the loop turns again."""
        self._store.submit(RecordBlockedLoop(), ignore_answer)
