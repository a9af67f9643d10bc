"""What takes arrivals in beside the web process, and decides on them: the router, and a desk for each queue and folder.

Hosted by the scheduler process, and by a program that is its own worker (`App.running()`).
"""

import asyncio
import logging
from collections.abc import Callable

from mainspring.domain.clock import Clock
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.consumer import Consumer
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.router import Router
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_LOG = logging.getLogger("mainspring.arrivals")
_MIN_WAKEUP_INTERVAL_S = 0.01
"""Many changes make one look."""
_POLL_INTERVAL_S = 1.0
_REOPEN_DELAY_S = 5.0


MakeConsumer = Callable[[CachedTrigger, DeliveryIntake], Consumer]
CONSUMED_KINDS = ("queue", "files")
"""The kinds of triggers that have a desk; what the others listen to comes by itself."""


class Ingest:
    """Made and used in `loop`'s thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
        make_desk: MakeConsumer,
    ) -> None:
        self._loop = loop
        self.known = TriggerCache(store.reader)
        self.intake = DeliveryIntake(store, self.known, clock, sealing)
        self._router = Router(loop, store, store.reader, self.known, clock, sealing, off_loop)
        self._make_desk = make_desk
        self._desks: dict[str, tuple[CachedTrigger, asyncio.Task[None]]] = {}
        self._planned = False
        self._next_at = 0.0
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._router.look()
        self._keeping = self._loop.create_task(self._keep())

    def changed(self) -> None:
        """Something may be new in the store: looked at now, but not as often as a busy store changes."""
        if not self._planned:
            self._planned = True
            self._loop.call_later(max(self._next_at - self._loop.time(), 0), self._look)

    async def close(self) -> None:
        """Take nothing in any more."""
        self._router.close()
        tasks = [task for _, task in self._desks.values()]
        tasks += [self._keeping] if self._keeping is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self) -> None:
        self._planned = False
        self._next_at = self._loop.time() + _MIN_WAKEUP_INTERVAL_S
        self._router.look()

    async def _keep(self) -> None:
        """Keep one desk for each trigger that has one, as it is announced now. The router reads the triggers."""
        while True:
            wanted = {known.name: known for known in self.known}
            for name, (known, task) in list(self._desks.items()):
                if wanted.get(name) != known or task.done():
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    del self._desks[name]
            for name, known in wanted.items():
                if known.trigger.kind in CONSUMED_KINDS and name not in self._desks:
                    self._desks[name] = known, self._loop.create_task(self._run(known))
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def _run(self, known: CachedTrigger) -> None:
        """Open the desk of a trigger and run it; one that fails is opened anew."""
        try:
            await self._make_desk(known, self.intake).run()
        except Exception:  # noqa: BLE001  a fault in one desk must not end the others
            _LOG.exception("the desk of trigger %s failed; it is opened again in %g s", known.name, _REOPEN_DELAY_S)
            await asyncio.sleep(_REOPEN_DELAY_S)
