"""What became of requests to webhooks: figures, and which refusals are kept in the store.

Bounded: by triggers that the store knows and by answers that we give, never by what somebody sends.
"""

from collections import Counter

from mainspring.domain.monitors.messaging.rejected_sender import MAX_REQUESTS

OTHER_TRIGGER = ""
"""Stands for the trigger of requests to paths that nobody has."""
REPEATED = "again"
"""The answer to what was taken in before, and is not taken in twice."""
_A_SECOND = 2.0
_AT_ONCE = 2.0 * MAX_REQUESTS
"""A sender that posts everything at once, once a night, has to be more than the monitor of rejected senders forgives."""
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
    """Of one web process, since its start."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str]] = Counter()
        """By trigger and answer: `accepted`, AGAIN, or the code of what was wrong."""
        self._buckets: dict[tuple[str, str], _TokenBucket] = {}
        self._all = _TokenBucket(_ALL_A_SECOND, _ALL_AT_ONCE)

    def count(self, trigger: str, answer: str) -> None:
        """Count one request."""
        self.answers[trigger, answer] += 1

    def may_keep(self, trigger: str, now: float, why: str = "") -> bool:
        """Whether one more refusal of a trigger may be written down at `now` (seconds): a flood of them is no flood of commits.

        Each reason counts by itself, so that a flood of one does not hide the others.
        """
        bucket = self._buckets.setdefault((trigger, why), _TokenBucket(_A_SECOND, _AT_ONCE))
        return bucket.take(now) and self._all.take(now)

    def forget_others(self, triggers: set[str]) -> None:
        """Forget triggers that the store does not have any more, also what was answered there."""
        for trigger, answer in list(self.answers):
            if trigger != OTHER_TRIGGER and trigger not in triggers:
                del self.answers[trigger, answer]
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] in triggers}
