"""`python -m mainspring.app.processes.watcher_process`: the watcher process. It evaluates all monitors and notifies people of failures.

It also declares dead processes dead, applies retention and imports the spool, as workers do next to their runs. It continues while other
processes are blocked, dead or not there at all; while no watcher runs, a scheduler watches in its place. It imports no code of users.
"""

import sys
from functools import partial

from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.watcher import Watcher
from mainspring.app.processes.background_process import BackgroundProcess, run_background_process
from mainspring.app.processes.store_checks import IntegrityScan, WalCheck
from mainspring.app.setup.metrics_push import start_metrics_push
from mainspring.resources.error_text import ErrorText
from mainspring.store.commit_and_wait import commit_and_wait


async def serve(process: BackgroundProcess) -> int:
    """Watch until the process is asked to stop."""
    settings, secrets = process.project.settings, process.project.secrets
    fallback = FallbackAlerter(
        settings,
        ErrorText(secrets),
        process.store.clock,
        process.store.location,
        partial(commit_and_wait, process.store),
    )
    await process.open(fallback.report_outage)
    if process.is_open:
        upkeep = process.project.upkeep()
        upkeep.start(process.loop, process.store, process.store.clock)
        watcher = Watcher(settings, secrets, process.store, fallback, lambda: process.fault)
        process.changed = watcher.changed
        watcher.start()
        integrity_scan = None if settings.store.is_remote else IntegrityScan(settings.store.path)
        wal_check = None if settings.store.is_remote else WalCheck(process)
        if integrity_scan is not None and wal_check is not None:
            integrity_scan.start()
            wal_check.start()
        pusher = start_metrics_push(settings, secrets, process.store)
        await process.stopped.wait()
        if pusher is not None:
            pusher.close()
        if integrity_scan is not None and wal_check is not None:
            integrity_scan.close()
            await wal_check.close()
        upkeep.close()
        await watcher.close()
    await process.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_background_process(serve))
