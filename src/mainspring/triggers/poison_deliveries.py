"""Deliveries that an earlier process may have asked a filter for, and that may have ended it.

What arrived while this process lives is asked at once, without a word to the store. What was there before it is written down first: whose
askers died is asked alone, so that no other delivery is blamed, and after a few of them it is asked no more.
"""

import json
from collections.abc import Sequence

from mainspring.domain.states import SessionState
from mainspring.store.base import StoreReader
from mainspring.triggers.delivery_rows import DeliveryRow

MAX_DEATHS = 3
"""So many processes may end while they ask one filter for one delivery."""
BUSY = -1
"""A process that lives is asking."""
_LIVE = (SessionState.ALIVE, SessionState.DRAINING)


class PoisonDeliveries:
    """Used by one reader at a time."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._before: int | None = None
        self._noted: set[str] = set()

    def deaths(self, rows: Sequence[DeliveryRow]) -> dict[str, int]:
        """Return, by delivery, how many processes ended while they asked, or BUSY; nothing of those that came since this process looks."""
        if self._before is None:
            ((self._before,),) = self._reader.read("find_newest_delivery_number")
        older = [row.id for row in rows if row.seq <= self._before and row.id not in self._noted]
        if not older:
            return {}
        found = self._reader.read("list_filter_callers", (json.dumps(older),))
        askers = {id: {int(session) for session in asked.split(",")} for id, asked in found}
        everyone = sorted(set().union(*askers.values()))
        states: dict[int, str] = (
            dict(self._reader.read("list_session_states", (json.dumps(everyone),))) if everyone else {}
        )
        return {id: _count_deaths([states.get(one) for one in askers.get(id, ())]) for id in older}

    def note(self, deliveries: Sequence[str]) -> None:
        """These were written down for this process."""
        self._noted.update(deliveries)

    def forget(self, delivery: str) -> None:
        """It was answered."""
        self._noted.discard(delivery)


def _count_deaths(states: Sequence[str | None]) -> int:
    if any(state in _LIVE for state in states):
        return BUSY
    return sum(state != SessionState.CLOSED for state in states)
