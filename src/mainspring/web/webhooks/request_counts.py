"""Counts of webhook requests, and the choice which rejected ones are stored.

Bounded by the triggers in the store and by our own answers, never by what is sent.
"""

from collections import Counter

from mainspring.domain.monitors.messaging.rejected_sender import MAX_REQUESTS

OTHER_TRIGGER = ""
"""The trigger of requests to unknown paths."""
REPEATED = "again"
"""The answer to a delivery that was accepted before, and is not accepted twice."""
_A_SECOND = 2.0
_AT_ONCE = 2.0 * MAX_REQUESTS
"""A sender that sends everything at once, once a night, must exceed the limit of the monitor of rejected senders."""
_ALL_A_SECOND, _ALL_AT_ONCE = 10.0, 20.0


class _TokenBucket:
    def __init__(self, a_second: float, at_once: float) -> None:
        self._a_second, self._at_once = a_second, at_once
        self._left, self._at = at_once, 0.0

    def take(self, now: float) -> bool:
        self._left = min(self._at_once, self._left + max(0.0, now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class WebhookCounts:
    """The counts of one web process, since its start."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str]] = Counter()
        """By trigger and answer: `accepted`, REPEATED, or the code of the problem."""
        self._buckets: dict[tuple[str, str], _TokenBucket] = {}
        self._all = _TokenBucket(_ALL_A_SECOND, _ALL_AT_ONCE)

    def count(self, trigger: str, answer: str) -> None:
        """Count one request."""
        self.answers[trigger, answer] += 1

    def may_keep(self, trigger: str, now: float, reason: str = "") -> bool:
        """Return whether one more rejected request of a trigger may be stored at `now` (seconds): a flood must not flood the store.

        Each reason counts by itself, so that a flood of one does not hide the others.
        """
        bucket = self._buckets.setdefault((trigger, reason), _TokenBucket(_A_SECOND, _AT_ONCE))
        return bucket.take(now) and self._all.take(now)

    def retain(self, triggers: set[str]) -> None:
        """Drop the counts of triggers that are no longer in the store."""
        for trigger, answer in list(self.answers):
            if trigger != OTHER_TRIGGER and trigger not in triggers:
                del self.answers[trigger, answer]
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] in triggers}
