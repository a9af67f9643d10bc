"""Poison deliveries: calling their filter may have ended an earlier process.

For deliveries that arrive while this process runs, filters are called at once, without a record. Calls for older deliveries are recorded
first. If the callers of a delivery died, its filter is called alone, so that no other delivery is blamed, and after some deaths not again.
"""

import json
from collections.abc import Sequence

from mainspring.domain.states import SessionState
from mainspring.store.base import StoreReader
from mainspring.triggers.delivery_rows import WaitingDelivery

MAX_DEATHS = 3
"""Most processes that may end while they call a filter for one delivery."""
BUSY = -1
"""A live process is calling the filter."""
_LIVE = (SessionState.ALIVE, SessionState.DRAINING)


class PoisonDeliveries:
    """Counts deaths by delivery; used by one reader at a time."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._newest_at_start: int | None = None
        self._noted: set[str] = set()

    def deaths(self, rows: Sequence[WaitingDelivery]) -> dict[str, int]:
        """Return, by delivery, how many processes ended during the call, or BUSY; without deliveries that are newer than this process."""
        if self._newest_at_start is None:
            ((self._newest_at_start,),) = self._reader.read("find_newest_delivery_number")
        older = [row.id for row in rows if row.seq <= self._newest_at_start and row.id not in self._noted]
        if not older:
            return {}
        rows_of_callers = self._reader.read("list_filter_callers", (json.dumps(older),))
        callers = {id: {int(session) for session in sessions.split(",")} for id, sessions in rows_of_callers}
        all_sessions = sorted(set().union(*callers.values()))
        states: dict[int, str] = (
            dict(self._reader.read("list_session_states", (json.dumps(all_sessions),))) if all_sessions else {}
        )
        return {id: _count_deaths([states.get(session) for session in callers.get(id, ())]) for id in older}

    def note(self, deliveries: Sequence[str]) -> None:
        """Note that the calls for these deliveries are recorded for this process."""
        self._noted.update(deliveries)

    def forget(self, delivery: str) -> None:
        """Drop a delivery whose filter has answered."""
        self._noted.discard(delivery)


def _count_deaths(states: Sequence[str | None]) -> int:
    if any(state in _LIVE for state in states):
        return BUSY
    return sum(state != SessionState.CLOSED for state in states)
