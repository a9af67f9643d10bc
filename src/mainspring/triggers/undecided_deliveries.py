"""What nobody decided on yet, read trigger by trigger, so that nothing of one trigger keeps that of another from its turn."""

import logging
from collections.abc import Callable, Container

from mainspring.store.base import StoreReader
from mainspring.triggers.delivery_rows import DeliveryRow

_LOG = logging.getLogger("mainspring.deliveries")
_MIN_SHARE = 20
_RETRY_AFTER_MS = 5_000


class UndecidedDeliveries:
    """Used by one reader at a time. `filtered` = those that wait for a filter, else those that wait for the router.

    What cannot be read here (another codec, another version) is passed over: what came after it goes first, until it is tried again after
    some seconds.
    """

    def __init__(self, reader: StoreReader, *, filtered: bool) -> None:
        self._reader = reader
        self._filtered = int(filtered)
        self._after: dict[str, int] = {}
        self._from_the_start_at = 0
        self._told: dict[str, str] = {}
        self._still: set[str] = set()
        """Triggers of which something waits, since all was last read from the start."""
        self.is_full = False
        """Whether there was more of something than was read."""

    def read(
        self, now: int, most: int, wanted: Callable[[str], bool] = lambda trigger: True, busy: Container[str] = ()
    ) -> dict[str, list[DeliveryRow]]:
        """Return deliveries by trigger, each oldest first, at most about `most`; none of triggers that are not wanted, or busy."""
        if now - self._from_the_start_at >= _RETRY_AFTER_MS or now < self._from_the_start_at:
            self._from_the_start_at = now
            self._after.clear()
            self._told = {trigger: why for trigger, why in self._told.items() if trigger in self._still}
            self._still.clear()
        names = [name for (name,) in self._reader.read("list_waiting_triggers", (self._filtered,))]
        names = [name for name in names if name not in busy and wanted(name)]
        share = max(most // max(len(names), 1), _MIN_SHARE)
        found: dict[str, list[DeliveryRow]] = {}
        self.is_full = False
        for name in names:
            rows = self._reader.read(
                "list_received_deliveries", (self._filtered, name, self._after.get(name, 0), share)
            )
            found[name] = [DeliveryRow(*row) for row in rows]
            self.is_full |= len(rows) >= share
        return {name: rows for name, rows in found.items() if rows}

    @property
    def is_passing_over(self) -> bool:
        """Whether something was left behind that is tried again in some seconds."""
        return bool(self._after)

    def pass_over(self, row: DeliveryRow, why: str) -> None:
        """Let what came after this one go before it, and say why, once."""
        self._after[row.trigger] = max(row.seq, self._after.get(row.trigger, 0))
        self.tell(row.trigger, f"delivery {row.id}", why)

    def tell(self, trigger: str, what: str, why: str) -> None:
        """Say why something of a trigger waits: once, until it waits for another reason, or anew."""
        self._still.add(trigger)
        if self._told.get(trigger) != why:
            self._told[trigger] = why
            _LOG.error("%s for %s waits: %s", what, trigger, why)
