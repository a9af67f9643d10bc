"""`python -m mainspring.app.worker_process HANDOVER`: one worker, started and watched by a supervisor.

It dies with its supervisor (SIGTERM first, so that it drains). SIGTERM drains and ends with 0; losing the store or
the session ends at once with 75, for a process that may write nothing more must not do anything more.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys

import msgspec

from mainspring.app.project import Handover, Project
from mainspring.app.working import Working
from mainspring.domain.errors import MainspringError
from mainspring.engine.parentage import kill_group, set_death_signal

GONE = 75
"""Exit code: the store or the session is lost; start again."""
_LOG = logging.getLogger("mainspring.worker")


def main(arguments: list[str]) -> int:
    """Run the worker until it is told to stop; return the exit code."""
    handover = msgspec.json.decode(arguments[0], type=Handover)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    set_death_signal(signal.SIGTERM)
    try:
        project = handover.project()
        return asyncio.run(_work(project, handover))
    except MainspringError as error:
        sys.stderr.write(f"mainspring worker: {error}\n")
        return 2


async def _work(project: Project, handover: Handover) -> int:
    registry = project.load_registry(handover.modules)
    for problem in registry.problems:
        _LOG.error("%s: %s. %s", problem.where, problem.what, problem.how)
    working = project.working(registry, role=handover.role, survive_ms=handover.survive_ms)
    working.on_fatal = lambda _error: _end_at_once(working)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await working.open()
    if handover.role == "probation":
        watch = loop.create_task(_stop_when_clear(working, stop))
    await stop.wait()
    if handover.role == "probation":
        watch.cancel()
    await working.close(drain=project.settings.worker.drain.total_seconds())
    return 0


async def _stop_when_clear(working: Working, stop: asyncio.Event) -> None:
    """End probation once no suspect is left."""
    while True:
        await asyncio.sleep(0.2)
        if not working.worker.active and not working.store.reader.read("count_suspects")[0][0]:
            stop.set()


def _end_at_once(working: Working) -> None:
    with contextlib.suppress(Exception):
        for pid in working.child_pids():
            kill_group(pid, signal.SIGKILL)
    os._exit(GONE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
