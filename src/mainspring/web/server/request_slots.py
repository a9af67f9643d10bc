"""How many requests are answered at once, of all clients and of one address. A request that finds no place is refused at once."""

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from mainspring.service.access.sign_in_throttle import address_group


class RequestSlots:
    """Counts in the loop's thread."""

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._taken = 0
        self._of: Counter[str] = Counter()

    def take(self, address: str | None) -> "RequestSlot | None":
        """Return a place, or None if there is none left. `address` = of the client; None = it counts for no address."""
        group = None if address is None else address_group(address)
        if self._taken >= self._most or (group is not None and self._of[group] >= self._most_of_address):
            return None
        self._count(group, 1)
        return RequestSlot(self, group)

    def _count(self, group: str | None, step: int) -> None:
        self._taken += step
        if group is not None:
            self._of[group] += step
            if not self._of[group]:
                del self._of[group]


SLOT_KEY = "mainspring.place"
"""In the scope of a request: its place."""


def release_slot(scope: MutableMapping[str, Any]) -> None:
    """Give back the place of a request that waits long from here on, and that another bound counts."""
    place = scope.get(SLOT_KEY)
    if isinstance(place, RequestSlot):
        place.leave()


class RequestSlot:
    """One place; `leave` gives it back, once."""

    def __init__(self, places: RequestSlots, group: str | None) -> None:
        self._places: RequestSlots | None = places
        self._group = group

    def leave(self) -> None:
        """Give it back."""
        if self._places is not None:
            self._places._count(self._group, -1)  # noqa: SLF001 - of the same noun
            self._places = None
