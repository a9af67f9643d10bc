"""`python -m mainspring.app.processes.scheduler_process`: makes the runs of due slots and of what arrives, from what workers announced,
sends what their steps send, and watches while no watcher lives.

It imports nobody's code (but the codec, where one is configured), so it goes on while the worker is blocked, dead or fails to load.
"""

import asyncio
import sys
from functools import partial

from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.watcher import Watcher
from mainspring.app.processes.background_process import BackgroundProcess, run_background_process
from mainspring.app.workers.intake_and_delivery import IntakeAndDelivery
from mainspring.engine.worker.blocking_calls import executor_caller
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.resources.error_text import ErrorText
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.read.runs.worker_reads import WorkerReads

_MIN_WAKEUP_INTERVAL_S = 0.25


async def serve(process: BackgroundProcess) -> int:
    """Schedule until the process is told to end."""
    sealing = process.project.sealing
    project, store = process.project, process.store
    reserved = FallbackAlerter(
        project.settings, ErrorText(project.secrets), store.clock, store.shown, partial(commit_and_wait, store)
    )
    await process.open(reserved.look)
    if process.is_open:
        reads, off_loop = WorkerReads(process.store.reader), executor_caller(process.loop)
        scheduler = Scheduler(process.loop, process.store, reads, process.store.clock, sealing, off_loop)
        traffic = IntakeAndDelivery(
            process.loop, store, store.clock, sealing, off_loop, project.brokers, project.secrets
        )
        process.changed = WakeupThrottle(process.loop, scheduler, traffic).take
        watching = Watcher(project.settings, project.secrets, store, reserved, lambda: process.fault, stands_by=True)
        scheduler.start()
        traffic.start()
        watching.start()
        await process.stopped.wait()
        scheduler.close()
        await traffic.close()
        await watching.close()
    await process.close()
    return 0


class WakeupThrottle:
    """Lets the scheduler look when the store changed, but not as often as a busy store changes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, scheduler: Scheduler, traffic: IntakeAndDelivery) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._traffic = traffic
        self._planned = False

    def take(self) -> None:
        """Something may be new: a schedule that was announced, a pause that ended."""
        self._traffic.changed()
        if not self._planned:
            self._planned = True
            self._loop.call_later(_MIN_WAKEUP_INTERVAL_S, self._look)

    def _look(self) -> None:
        self._planned = False
        self._scheduler.poll()


if __name__ == "__main__":
    sys.exit(run_background_process(serve))
