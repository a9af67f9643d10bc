"""`python -m mainspring.app.processes.scheduler_process`: the scheduler process.

It creates the runs of due slots and of deliveries, as announced by workers. It sends the messages of steps, and watches while no watcher
runs. It imports no code of users (except a configured codec), so it works while the worker is blocked, dead or fails to load.
"""

import asyncio
import sys
from functools import partial

from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.watcher import Watcher
from mainspring.app.processes.background_process import BackgroundProcess, run_background_process
from mainspring.app.workers.intake_and_delivery import IntakeAndDelivery
from mainspring.engine.driver.blocking_calls import executor_caller
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.resources.error_text import ErrorText
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.read.runs.worker_reads import WorkerReads

_MIN_WAKEUP_INTERVAL_S = 0.25


async def serve(process: BackgroundProcess) -> int:
    """Schedule until the process is asked to stop."""
    sealing = process.project.sealing
    project, store = process.project, process.store
    fallback = FallbackAlerter(
        project.settings, ErrorText(project.secrets), store.clock, store.location, partial(commit_and_wait, store)
    )
    await process.open(fallback.report_outage)
    if process.is_open:
        reads, off_loop = WorkerReads(process.store.reader), executor_caller(process.loop)
        scheduler = Scheduler(process.loop, process.store, reads, process.store.clock, sealing, off_loop)
        intake_and_delivery = IntakeAndDelivery(
            process.loop, store, store.clock, sealing, off_loop, project.brokers, project.secrets
        )
        process.changed = WakeupThrottle(process.loop, scheduler, intake_and_delivery).schedule_wakeup
        watcher = Watcher(project.settings, project.secrets, store, fallback, lambda: process.fault, is_standby=True)
        scheduler.start()
        intake_and_delivery.start()
        watcher.start()
        await process.stopped.wait()
        scheduler.close()
        await intake_and_delivery.close()
        await watcher.close()
    await process.close()
    return 0


class WakeupThrottle:
    """Wakes the scheduler when the store changed, but not as often as a busy store changes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, scheduler: Scheduler, intake_and_delivery: IntakeAndDelivery
    ) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._intake_and_delivery = intake_and_delivery
        self._planned = False

    def schedule_wakeup(self) -> None:
        """Wake the scheduler soon: there may be a new schedule, or a pause may have ended."""
        self._intake_and_delivery.changed()
        if not self._planned:
            self._planned = True
            self._loop.call_later(_MIN_WAKEUP_INTERVAL_S, self._wake)

    def _wake(self) -> None:
        self._planned = False
        self._scheduler.poll()


if __name__ == "__main__":
    sys.exit(run_background_process(serve))
