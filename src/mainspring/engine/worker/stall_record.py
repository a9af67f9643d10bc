"""Puts on record that a loop is blocked and by what, from the thread that watches it: whoever watches the store reads it there."""

import logging

from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import Store
from mainspring.store.commands.sessions import RecordBlockedLoop

_LOG = logging.getLogger("mainspring.worker")


class StallRecord:
    """What one process says of its loop; any thread may use it. The committing thread writes it, which needs no loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begun(self, frames: list[str], since: float) -> None:
        """The loop has not turned for so many seconds; `frames` as StallWatch gives them."""
        lines = tuple(KNOWN_SECRETS.redact(line) for line in frames) or ("nobody can tell where it stands",)
        _LOG.error("the loop has been blocked for %.1f s by:\n  %s", since, "\n  ".join(lines))
        self._store.submit(RecordBlockedLoop(round(since * 1000), lines), ignore_answer)

    def ended(self) -> None:
        """It turns again."""
        self._store.submit(RecordBlockedLoop(), ignore_answer)
