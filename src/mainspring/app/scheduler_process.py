"""`python -m mainspring.app.scheduler_process`: makes the runs of due slots and of what arrives, from what workers announced,
and sends what their steps send.

It imports nobody's code (but the codec, where one is configured), so it goes on while the worker is blocked, dead or fails to load.
"""

import asyncio
import sys

from mainspring.app.arrivals import Arrivals
from mainspring.app.desks import Desks
from mainspring.app.post_process import PostProcess, run_post
from mainspring.app.sending import make_sender
from mainspring.engine.off_loop import in_executor
from mainspring.engine.scheduler import Scheduler
from mainspring.store.reads.engine import WorkerReads
from mainspring.triggers.sender import Sender

_LOOK_AT_MOST_EVERY_S = 0.25


async def serve(process: PostProcess) -> int:
    """Schedule until the process is told to end."""
    sealing = process.project.sealing
    await process.open()
    if process.is_open:
        reads, off_loop = WorkerReads(process.store.reader), in_executor(process.loop)
        scheduler = Scheduler(process.loop, process.store, reads, process.store.clock, sealing, off_loop)
        store, clock = process.store, process.store.clock
        desks = Desks(store, clock, process.project.secrets)
        arrivals = Arrivals(process.loop, store, clock, sealing, off_loop, desks)
        project = process.project
        sender = make_sender(process.loop, store, clock, sealing, project.brokers, project.secrets)
        process.changed = Hints(process.loop, scheduler, arrivals, sender).take
        scheduler.start()
        arrivals.start()
        sender.start()
        await process.stopped.wait()
        scheduler.close()
        await arrivals.close()
        await sender.close()
    await process.close()
    return 0


class Hints:
    """Lets the scheduler look when the store changed, but not as often as a busy store changes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, scheduler: Scheduler, arrivals: Arrivals, sender: Sender
    ) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._arrivals = arrivals
        self._sender = sender
        self._planned = False

    def take(self) -> None:
        """Something may be new: a schedule that was announced, a pause that ended."""
        self._arrivals.changed()
        self._sender.changed()
        if not self._planned:
            self._planned = True
            self._loop.call_later(_LOOK_AT_MOST_EVERY_S, self._look)

    def _look(self) -> None:
        self._planned = False
        self._scheduler.look()


if __name__ == "__main__":
    sys.exit(run_post(serve))
