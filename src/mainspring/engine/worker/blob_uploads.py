"""Uploads of blobs (large values) into a bucket, by threads: the loop waits for no network.

Invariants: a command reaches the store after its values are in the bucket, and commands of one run keep their order. Used in the loop's
thread.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from mainspring.domain.errors import CodecUnavailableError
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.worker.deferred_values import holds_unsealed, run_of
from mainspring.store.base import CommitCallback
from mainspring.store.commands.base import Answer, StoreCommand

PendingCommand = tuple[StoreCommand[Any], CommitCallback[Any]]


class BlobUploads:
    """Commands that wait for an upload. `seal` is called in a thread. `on_outage` gets the error and the commands that wait for its end."""

    def __init__(
        self,
        off_loop: BlockingCaller,
        seal: Callable[[Any], Any],
        submit: Callable[[StoreCommand[Any], CommitCallback[Any]], None],
        on_outage: Callable[[CodecUnavailableError, Sequence[PendingCommand]], None],
    ) -> None:
        self._off_loop = off_loop
        self._seal = seal
        self._submit = submit
        self._on_outage = on_outage
        self.is_used = False
        """Whether a value has ever waited here: until then no command is searched for one."""
        self._queues: dict[object, deque[PendingCommand]] = {}
        """By run; a command without a run has a queue of its own."""

    @property
    def is_waiting(self) -> bool:
        """Whether a command waits here."""
        return bool(self._queues)

    def follow(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> bool:
        """Queue a command behind an upload of its run; return whether there is one."""
        queue = self._queues.get(run_of(command)) if self._queues else None
        if queue is None:
            return False
        queue.append((command, on_done))
        return True

    def take(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> bool:
        """Upload the values of a command, then submit it; return whether it has any."""
        if not self.is_used or not holds_unsealed(command):
            return False
        key = run_of(command) or object()
        self._queues[key] = deque([(command, on_done)])
        self._upload(key)
        return True

    def close(self) -> None:
        """Drop what waits: nothing of it is written."""
        self._queues.clear()

    def _upload(self, key: object) -> None:
        command, _ = self._queues[key][0]
        self._off_loop(lambda: self._seal(command), lambda sealed: self._end_upload(key, sealed))

    def _end_upload(self, key: object, sealed: Any) -> None:
        """Submit the command, and those behind it up to the next upload. `sealed` = the command, or an error."""
        queue = self._queues.get(key)
        if queue is None:  # closed
            return
        if isinstance(sealed, CodecUnavailableError):
            del self._queues[key]
            self._on_outage(sealed, queue)
            return
        _, on_done = queue.popleft()
        if isinstance(sealed, Exception):
            on_done(sealed)
        else:
            self._submit(sealed, on_done)
        while queue and not holds_unsealed(queue[0][0]):
            self._submit(*queue.popleft())
        if queue:
            self._upload(key)
        else:
            self._queues.pop(key, None)
