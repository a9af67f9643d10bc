"""A desk that must be the only one of its trigger, wherever schedulers run: two would mix the order of a partition."""

import asyncio
import contextlib

from mainspring.domain.errors import MainspringError
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import NumberAnswer
from mainspring.triggers.consumer import Consumer
from mainspring.triggers.intake import DeliveryIntake

_RETRY_AFTER_S = 2.0
_RELEASE_TIMEOUT_S = 3.0


class ExclusiveConsumer:
    """Waits for a lock of the store, which the death of its session lets go, then runs the desk."""

    def __init__(self, desk: Consumer, trigger: str, intake: DeliveryIntake) -> None:
        self._desk = desk
        self._name = f"desk:{trigger}"
        self._trigger = trigger
        self._intake = intake

    async def run(self) -> None:
        """Run, once nobody else does."""
        token = await self._take()
        try:
            await self._desk.run()
        finally:
            # Within a bound, for the store may be away; the session's end lets go of it too.
            with contextlib.suppress(MainspringError, TimeoutError):
                async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                    await self._intake.submit(ReleaseLock(self._name, token))

    async def _take(self) -> int:
        while True:
            with contextlib.suppress(MainspringError):
                command = AcquireLock(self._name, f"trigger {self._trigger}", "reads the queue in order")
                answer = await self._intake.submit(command)
                if isinstance(answer, NumberAnswer):
                    return answer.number
            await asyncio.sleep(_RETRY_AFTER_S)
