"""Rate window: how much of a rate is used up, by the starts of the last span, so that no span has more than the count.

A bucket that refills evenly would allow nearly twice the count in the span after it was full; a service that counts our calls counts any
span. Starts are stored in parts of a fiftieth of the span, each counted until its last instant is a whole span ago: a large rate allows
at least 98 % of its count, and one of up to fifty starts is exact. All instants and spans are milliseconds.
"""

import msgspec

_PARTS = 50
_PART = tuple[int, int]


class RateWindow(msgspec.Struct, frozen=True):
    """At most `count` starts in any `per_ms`; `parts` = (last instant, starts) of each part, oldest first."""

    count: int
    per_ms: int
    parts: tuple[_PART, ...] = ()

    @classmethod
    def of(cls, count: int, per_ms: int, written: str) -> "RateWindow":
        """Return the window that `write` made, for a rate that may have changed since."""
        return cls(count, per_ms, tuple(msgspec.json.decode(written, type=list[_PART])))

    def write(self) -> str:
        """Return the parts as text, at most about fifty of them."""
        return msgspec.json.encode(self.parts).decode()

    def free(self, now: int) -> int:
        """Return how many may start now."""
        return max(0, self.count - sum(starts for last, starts in self.parts if self._counts(last, now)))

    def spend(self, starts: int, now: int) -> "RateWindow":
        """Return the window after this many starts now."""
        if not starts:
            return self
        width = self._width
        last = now - now % width + width - 1
        parts = [part for part in self.parts if self._counts(part[0], now)]
        if parts and parts[-1][0] >= last:  # equal, or the clock went back: nothing is forgotten for that
            parts[-1] = (parts[-1][0], parts[-1][1] + starts)
        else:
            parts.append((last, starts))
        return msgspec.structs.replace(self, parts=tuple(parts))

    def reserve(self, now: int) -> tuple[int, "RateWindow"]:
        """Return the instant of one more start, from now on, and the window with it. Starts keep their order."""
        last_at = self.parts[-1][0] - self._width + 1 if self.parts else now
        at = self.next_at(max(now, last_at))
        return at, self.spend(1, at)

    def next_at(self, now: int) -> int:
        """Return the earliest instant, from now on, at which one more may start."""
        used = sum(starts for last, starts in self.parts if self._counts(last, now))
        if used < self.count:
            return now
        for last, starts in self.parts:
            used -= starts if self._counts(last, now) else 0
            if used < self.count:
                return last + self.per_ms
        return now + self.per_ms

    @property
    def _width(self) -> int:
        return max(1, self.per_ms // _PARTS) if self.count > _PARTS else 1

    def _counts(self, last: int, now: int) -> bool:
        # A part more than a span ahead was written by a clock that was put back since: it blocks nothing.
        return -self.per_ms <= now - last < self.per_ms
