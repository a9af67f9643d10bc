"""The supervisor: starts the worker and starts it again, knows how each one died, and puts the runs that shared a crash on probation.

It imports no user code, so nothing of theirs can take it down. A worker that ends by a signal or with a code of its
own choosing is a crash, and so is one whose loop was blocked: its session is buried as crashed and a probation process
continues its runs one at a time. A worker that ends with 0 or 75 gave its runs back, or lost the store; those never count.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mainspring.app.project import Handover, Project
from mainspring.app.upkeep import bury
from mainspring.app.worker_process import GONE, STALLED
from mainspring.domain.errors import StoreError
from mainspring.store.liveness import find_dead
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.supervisor")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_AFTER = 30.0
"""A worker that lived so long starts again without a pause."""
_AT_ONCE = 2.0
"""A worker that ends by itself within so many seconds did not get to work: it starts again with a pause, and not in silence."""
_SURVIVE_MS, _SURVIVE_LONGEST_MS = 2_000, 600_000
_POLL = 0.05
_END_WITHOUT_STORE = 1.0


@dataclass(slots=True)
class Post:
    """One process that is to be there."""

    handover: Handover
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    not_before: float = 0.0
    starts: int = 0
    is_told: bool = False
    """Whether it was told to end."""


class Supervisor:
    """Run by `run()` in the main thread of its process until `stop()`."""

    def __init__(
        self, project: Project, handover: Handover, *, on_start: Callable[[str, int], None] = lambda role, pid: None
    ) -> None:
        self._project = project
        self._handover = handover
        self._worker = Post(handover)
        self._probation = Post(msgspec.structs.replace(handover, role="probation"))
        self._survive_ms = _SURVIVE_MS
        self._stopping = False
        self._on_start = on_start
        self._reload = False

    def stop(self) -> None:
        """End in order: the processes drain first."""
        self._stopping = True

    def reload(self) -> None:
        """Start the worker anew, with the automations as they are now."""
        self._reload = True

    def run(self, *, once: Callable[[], None] = lambda: None) -> int:
        """Keep the processes running; `once` is called each turn (0.05 s). Returns the exit code.

        Raises:
            StoreGoneError: the store's file was removed or replaced; the processes have ended.
            StoreError: it cannot be used.
        """
        store = self._project.open_store()
        try:
            store.open_session("supervisor")
            while not self._stopping:
                store.check_presence()
                self._turn(store)
                once()
                time.sleep(_POLL)
            self._end(self._project.settings.worker.drain.total_seconds())
        except StoreError:
            # A worker that was started now would make another store, and believe that there never was one.
            self._end(_END_WITHOUT_STORE)
            store.check_presence()
            raise
        finally:
            store.close()
        return 0

    def _turn(self, store: ProcessStore) -> None:
        for post in (self._worker, self._probation):
            if post.process is not None and post.process.poll() is not None:
                self._died(store, post, post.process)
        if self._reload:
            self._reload = False
            if self._worker.process is not None:
                self._worker.is_told = True
                self._worker.process.terminate()
        now = time.monotonic()
        if self._worker.process is None and now >= self._worker.not_before:
            self._start(self._worker)
        if self._probation.process is None and now >= self._probation.not_before and self._has_suspects(store):
            self._probation.handover = msgspec.structs.replace(self._probation.handover, survive_ms=self._survive_ms)
            self._start(self._probation)

    @staticmethod
    def _has_suspects(store: ProcessStore) -> bool:
        return bool(store.reader.read("count_suspects")[0][0])

    def _start(self, post: Post) -> None:
        handover = msgspec.structs.replace(post.handover, parent=os.getpid())
        command = [sys.executable, "-m", "mainspring.app.worker_process", msgspec.json.encode(handover).decode()]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        post.process = subprocess.Popen(command, env=env, start_new_session=True)
        post.started = time.monotonic()
        post.is_told = False
        post.starts += 1
        self._on_start(post.handover.role, post.process.pid)

    def _died(self, store: ProcessStore, post: Post, process: "subprocess.Popen[bytes]") -> None:
        code = process.returncode
        post.process = None
        lived = time.monotonic() - post.started
        crashed = code not in (0, GONE)
        at_once = post is self._worker and not crashed and not post.is_told and lived < _AT_ONCE
        # The first death after a steady life is answered at once.
        post.pause = FIRST_PAUSE if lived >= STEADY_AFTER else min(post.pause * 2, LONGEST_PAUSE)
        post.not_before = time.monotonic() + (
            0.0 if post.starts <= 1 or lived >= STEADY_AFTER or not (crashed or at_once) else post.pause
        )
        if at_once:
            why = "does a module end it while it is loaded? It is started again"
            _LOG.error("the worker process %d ended with exit code %d after %.1f s: %s", process.pid, code, lived, why)
        if crashed:
            how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            how = "because its loop was blocked" if code == STALLED else how
            _LOG.error("the %s process %d ended %s; it is started again", post.handover.role, process.pid, how)
        self._bury(store, process.pid, crashed=crashed, probation=post is self._probation)

    def _bury(self, store: ProcessStore, pid: int, *, crashed: bool, probation: bool) -> None:
        for found in find_dead(store.reader):
            if found.pid != pid:
                continue
            alone = None
            if crashed and probation:
                aboard = [str(row[0]) for row in store.reader.read("list_aboard", (found.session,))]
                suspects = [str(row[0]) for row in store.reader.read("list_suspects_aboard", (found.session,))]
                alone = aboard[0] if len(aboard) == 1 else suspects[0] if len(suspects) == 1 else None
                grown = min(self._survive_ms * 4, _SURVIVE_LONGEST_MS)
                self._survive_ms = _SURVIVE_MS if alone is not None else grown
            bury(store, found, crashed=crashed, alone=alone)

    def _end(self, within: float) -> None:
        processes = [post.process for post in (self._worker, self._probation) if post.process is not None]
        for process in processes:
            process.terminate()
        until = time.monotonic() + within + 5.0
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _LOG.error("worker %d does not stop; it is killed, its runs go on elsewhere", process.pid)
                process.kill()
                process.wait()
