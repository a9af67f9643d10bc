"""A rate limit of requests by visitor or address: a rate per second and a burst. In memory, bounded."""

from collections import OrderedDict

MOST = 10_000


class RateLimiter:
    """A limiter, called in the loop's thread. `rate` a second, up to `burst` at once."""

    def __init__(self, rate: float, burst: int, most: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def has_quota(self, name: str, now: int) -> bool:
        """Return whether this client has quota left (`now` in ms); takes nothing."""
        return self._tokens(self._buckets.get(name), now) >= 1

    def acquire(self, name: str, now: int) -> bool:
        """Take one request from the quota of this client (`now` in ms); False = none is left."""
        tokens = self._tokens(self._buckets.pop(name, None), now)
        is_allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if is_allowed else tokens, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return is_allowed

    def _tokens(self, bucket: tuple[float, int] | None, now: int) -> float:
        if bucket is None:
            return float(self._burst)
        tokens, at = bucket
        return min(float(self._burst), tokens + max(0, now - at) * self._rate / 1_000)
