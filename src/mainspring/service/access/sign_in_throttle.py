"""The throttle of sign-in: after five wrong passwords a name, or an address, waits one second, then twice as long each time.

In memory, bounded, for one process. A guess is counted before it is checked, so that concurrent guesses all count.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

FREE_GUESSES = 5
"""This many wrong passwords cause no wait."""
FIRST_MS, LONGEST_MS = 1_000, 300_000
FORGET_AFTER_MS = 3_600_000
"""After this time without a guess the count starts again."""
MOST = 10_000


class _GuessCount(NamedTuple):
    number: int
    last_at: int
    until_at: int


class SignInThrottle:
    """The guesses by name, or by address; for one thread at a time."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[str, _GuessCount] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def wait_ms(self, key: str, now: int) -> int:
        """Return how long this key must wait; 0 = it may guess."""
        found = self._known.get(key)
        return 0 if found is None else max(0, found.until_at - now)

    def guess(self, key: str, now: int) -> None:
        """Count one guess."""
        found = self._known.pop(key, None)
        number = 1 if found is None or now - found.last_at >= FORGET_AFTER_MS else found.number + 1
        wait = 0 if number < FREE_GUESSES else min(FIRST_MS << min(number - FREE_GUESSES, 20), LONGEST_MS)
        self._known[key] = _GuessCount(number, now, now + wait)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def undo_guess(self, key: str) -> None:
        """Undo the last guess: it was right, or not checked. Earlier ones stay, for they may have been for other names."""
        found = self._known.pop(key, None)
        if found is not None and found.number > 1:
            self._known[key] = _GuessCount(found.number - 1, found.last_at, found.last_at)

    def forget(self, key: str) -> None:
        """Forget all guesses of a key."""
        self._known.pop(key, None)


def address_group(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of one customer, who has 2**64 addresses."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped) if found.ipv4_mapped is not None else f"{found.packed[:8].hex()}::/64"
    return str(found)
