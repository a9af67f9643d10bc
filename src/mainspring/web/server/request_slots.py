"""Slots of requests: how many are answered at once, of all clients and of one address. Others are rejected at once."""

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from mainspring.service.access.sign_in_throttle import address_group


class RequestSlots:
    """The slots, counted in the loop's thread."""

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._used = 0
        self._used_by_group: Counter[str] = Counter()

    def take(self, address: str | None) -> "RequestSlot | None":
        """Return a slot, or None if none is free. `address` = of the client; None = the limit of addresses does not apply."""
        group = None if address is None else address_group(address)
        if self._used >= self._most or (group is not None and self._used_by_group[group] >= self._most_of_address):
            return None
        self._count(group, 1)
        return RequestSlot(self, group)

    def _count(self, group: str | None, step: int) -> None:
        self._used += step
        if group is not None:
            self._used_by_group[group] += step
            if not self._used_by_group[group]:
                del self._used_by_group[group]


SLOT_KEY = "mainspring.place"
"""The key of the slot in the scope of a request."""


def release_slot(scope: MutableMapping[str, Any]) -> None:
    """Release the slot of a request that now waits long, and that another limit counts."""
    slot = scope.get(SLOT_KEY)
    if isinstance(slot, RequestSlot):
        slot.leave()


class RequestSlot:
    """One slot; `leave` releases it, once."""

    def __init__(self, slots: RequestSlots, group: str | None) -> None:
        self._slots: RequestSlots | None = slots
        self._group = group

    def leave(self) -> None:
        """Release it."""
        if self._slots is not None:
            self._slots._count(self._group, -1)  # noqa: SLF001 - of the same noun
            self._slots = None
