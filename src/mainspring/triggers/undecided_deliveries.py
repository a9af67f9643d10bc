"""Undecided deliveries, read trigger by trigger, so that one trigger does not block another."""

import logging
from collections.abc import Callable, Container

from mainspring.store.base import StoreReader
from mainspring.triggers.delivery_rows import WaitingDelivery

_LOG = logging.getLogger("mainspring.deliveries")
_MIN_SHARE = 20
_RETRY_AFTER_MS = 5_000


class UndecidedDeliveryReader:
    """Reads the deliveries; used by one reader at a time. `filtered` = those that wait for a filter, otherwise for the router.

    A delivery that cannot be read here (another codec, another version) is skipped: later ones go first, until it is retried after
    some seconds.
    """

    def __init__(self, reader: StoreReader, *, filtered: bool) -> None:
        self._reader = reader
        self._filtered = int(filtered)
        self._after: dict[str, int] = {}
        self._restarted_at = 0
        self._logged_reasons: dict[str, str] = {}
        self._waiting_triggers: set[str] = set()
        """Triggers with a waiting delivery, since the last read from the start."""
        self.is_full = False
        """Whether a trigger had more deliveries than were read."""

    def read(
        self, now: int, most: int, accepts: Callable[[str], bool] = lambda trigger: True, busy: Container[str] = ()
    ) -> dict[str, list[WaitingDelivery]]:
        """Return deliveries by trigger, each oldest first, at most about `most`; without triggers that are not accepted, or busy."""
        if now - self._restarted_at >= _RETRY_AFTER_MS or now < self._restarted_at:
            self._restarted_at = now
            self._after.clear()
            self._logged_reasons = {
                trigger: reason for trigger, reason in self._logged_reasons.items() if trigger in self._waiting_triggers
            }
            self._waiting_triggers.clear()
        names = [name for (name,) in self._reader.read("list_waiting_triggers", (self._filtered,))]
        names = [name for name in names if name not in busy and accepts(name)]
        share = max(most // max(len(names), 1), _MIN_SHARE)
        rows_by_trigger: dict[str, list[WaitingDelivery]] = {}
        self.is_full = False
        for name in names:
            rows = self._reader.read(
                "list_received_deliveries", (self._filtered, name, self._after.get(name, 0), share)
            )
            rows_by_trigger[name] = [WaitingDelivery(*row) for row in rows]
            self.is_full |= len(rows) >= share
        return {name: rows for name, rows in rows_by_trigger.items() if rows}

    @property
    def has_skipped(self) -> bool:
        """Whether a delivery is skipped that is retried in some seconds."""
        return bool(self._after)

    def skip(self, row: WaitingDelivery, reason: str) -> None:
        """Skip a delivery, so that later ones go first; log the reason once."""
        self._after[row.trigger] = max(row.seq, self._after.get(row.trigger, 0))
        self.log_wait(row.trigger, f"delivery {row.id}", reason)

    def log_wait(self, trigger: str, subject: str, reason: str) -> None:
        """Log once why a delivery of a trigger waits; again if the reason changes or it waits again."""
        self._waiting_triggers.add(trigger)
        if self._logged_reasons.get(trigger) != reason:
            self._logged_reasons[trigger] = reason
            _LOG.error("%s for %s waits: %s", subject, trigger, reason)
