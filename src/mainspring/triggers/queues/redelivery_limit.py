"""The redelivery limit of a queue's messages: a refused message is retried some times, because the code may be replaced."""

from mainspring.domain.triggers.queues.queue_message import QueueMessage

_MAX_REMEMBERED = 10_000


class RedeliveryLimit:
    """Counts refusals by message, in addition to the broker's own count; remembers the newest ten thousand."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: dict[str, int] = {}

    def used(self, message: QueueMessage) -> int:
        """Return how often a message was refused and given back."""
        return self._used.get(message.id, 0)

    def use(self, message: QueueMessage) -> bool:
        """Count one more refusal; return whether the limit is reached."""
        times = max(self.used(message), message.redelivered) + 1
        self.forget(message)
        if times >= self._most:
            return True
        self._used[message.id] = times
        if len(self._used) > _MAX_REMEMBERED:
            del self._used[next(iter(self._used))]
        return False

    def forget(self, message: QueueMessage) -> None:
        """Drop the count of an accepted message."""
        self._used.pop(message.id, None)
