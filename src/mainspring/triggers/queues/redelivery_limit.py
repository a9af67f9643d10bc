"""How often messages of a queue could not be taken in: each gets some chances, for the code that reads it may be replaced."""

from mainspring.domain.triggers.queues.queue_message import QueueMessage

_MAX_REMEMBERED = 10_000


class RedeliveryLimit:
    """Counts by message, beside what the broker itself counts; remembers the newest ten thousand."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: dict[str, int] = {}

    def used(self, message: QueueMessage) -> int:
        """Return how often it was refused and given back."""
        return self._used.get(message.id, 0)

    def use(self, message: QueueMessage) -> bool:
        """Count one more refusal; return whether that was its last chance."""
        times = max(self.used(message), message.redelivered) + 1
        self.forget(message)
        if times >= self._most:
            return True
        self._used[message.id] = times
        if len(self._used) > _MAX_REMEMBERED:
            del self._used[next(iter(self._used))]
        return False

    def forget(self, message: QueueMessage) -> None:
        """It was taken in."""
        self._used.pop(message.id, None)
