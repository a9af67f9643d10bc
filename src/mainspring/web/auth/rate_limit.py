"""How often one visitor, or one address, may ask: so many a second, a burst of more. In memory, bounded."""

from collections import OrderedDict

MOST = 10_000


class RateLimiter:
    """Called in the loop's thread. `rate` a second, up to `burst` at once."""

    def __init__(self, rate: float, burst: int, most: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def has(self, who: str, now: int) -> bool:
        """Tell whether anything is left to this one (`now` in ms); takes nothing."""
        return self._left(self._known.get(who), now) >= 1

    def lets(self, who: str, now: int) -> bool:
        """Take one of what is left to this one (`now` in ms); False = nothing is."""
        left = self._left(self._known.pop(who, None), now)
        is_let = left >= 1
        self._known[who] = (left - 1 if is_let else left, now)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return is_let

    def _left(self, known: tuple[float, int] | None, now: int) -> float:
        if known is None:
            return float(self._burst)
        left, at = known
        return min(float(self._burst), left + max(0, now - at) * self._rate / 1_000)
