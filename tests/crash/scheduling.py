"""A scheduler process that is killed at a chosen statement of its commits, forked from a warm template (see lives.py for why that is fair).

    python -m tests.crash.scheduling     # one JSON request {url, die_at} a line on stdin, one answer {code, points} a line on stdout

It is the real scheduler on the real store, with a session of its own. `die_at` counts each statement of a group that makes slots, before it
is run, and what stands before and after the commit; 0 = it lives, and ends once nothing is due.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.attempts.processes.process_lifetime import set_death_signal
from mainspring.engine.driver.blocking_calls import executor_caller
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.store import failpoints
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.committer import Committer
from mainspring.store.postgres import transaction
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.sqlite.transaction import SqliteTransaction


class Points:
    """Counts what is passed while slots are made, and dies where it is asked to."""

    def __init__(self, die_at: int) -> None:
        self.passed = 0
        self._die_at = die_at
        self._makes_slots = False

    def hit(self, _place: str = "") -> None:
        if self._makes_slots:
            self.passed += 1
            if self.passed == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Pass here before each statement of both databases, and at each commit that makes slots."""
        failpoints.install(self.hit)
        for name in ("first", "all", "change"):
            setattr(SqliteTransaction, name, self._counted(getattr(SqliteTransaction, name)))
        transaction.run = self._counted(transaction.run)
        original = Committer._commit_group

        def until_known(committer: Committer) -> Any:
            self._makes_slots = any(isinstance(command, MakeSlot) for command, _ in committer._group)
            try:
                return original(committer)
            finally:
                self._makes_slots = False

        Committer._commit_group = until_known  # type: ignore[method-assign, assignment]

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.hit()
            return function(*args)

        return counted


async def _schedule(url: str) -> None:
    loop, clock = asyncio.get_running_loop(), SystemClock()

    def deliver(answers: list[tuple[Callable[[Any], object], Any]]) -> None:
        for done, result in answers:
            loop.call_soon_threadsafe(done, result)

    store = make_store(url, clock=clock, deliver=deliver)
    store.open()
    store.open_session("scheduler")
    reads = WorkerReads(store.reader)
    scheduler = Scheduler(loop, store, reads, store.clock, PLAIN_SEALING, executor_caller(loop))
    scheduler.start()
    while reads.due_schedules(store.clock.now()):
        await asyncio.sleep(0.005)
    scheduler.close()
    await asyncio.to_thread(store.close)


def serve() -> None:
    """Fork a scheduler for each request; answer once it has ended."""
    set_death_signal(signal.SIGKILL)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            code = 70
            try:
                set_death_signal(signal.SIGKILL)
                points = Points(request["die_at"])
                points.install()
                asyncio.run(_schedule(request["url"]))
                os.write(write_end, str(points.passed).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(write_end)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        passed = os.read(read_end, 100) or b"0"
        os.close(read_end)
        sys.stdout.write(json.dumps({"code": code, "points": int(passed)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
