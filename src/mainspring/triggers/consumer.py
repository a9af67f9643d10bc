"""A consumer fetches deliveries for one trigger; an exclusive one does so in one process at a time."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Protocol

from mainspring.domain.errors import MainspringError
from mainspring.domain.triggers.trigger_source import CONSUMER_LOCK_PREFIX
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import LockGranted
from mainspring.triggers.intake import DeliveryIntake

_RETRY_AFTER_S = 2.0
_RELEASE_TIMEOUT_S = 3.0


class Consumer(Protocol):
    """Fetches deliveries for one trigger until it is cancelled; an unreachable broker or folder does not end it."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Fetch without end."""
        ...


class ExclusiveConsumer:
    """Runs a consumer as the only one of its trigger in all processes, because two would break the order of a partition.

    It waits for a lock of the store, which is released if its session dies.
    """

    def __init__(self, consumer: Consumer, trigger: str, intake: DeliveryIntake) -> None:
        self._consumer = consumer
        self._name = f"{CONSUMER_LOCK_PREFIX}{trigger}"
        self._trigger = trigger
        self._intake = intake

    async def run(self) -> None:
        """Run once no other consumer of the trigger runs."""
        token = await self._acquire()
        try:
            await self._consumer.run()
        finally:
            # With a time limit, because the store may be unreachable; the session's end releases the lock too.
            with contextlib.suppress(MainspringError, TimeoutError):
                async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                    await self._intake.submit(ReleaseLock(self._name, token))

    async def _acquire(self) -> int:
        while True:
            with contextlib.suppress(MainspringError):
                command = AcquireLock(self._name, f"trigger {self._trigger}", "reads the queue in order")
                answer = await self._intake.submit(command)
                if isinstance(answer, LockGranted):
                    return answer.token
            await asyncio.sleep(_RETRY_AFTER_S)
