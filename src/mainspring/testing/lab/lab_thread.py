"""The thread of a lab: a worker with its store, in an event loop on a virtual clock."""

import asyncio
import contextlib
import os
import random
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from mainspring.app.application import App
from mainspring.app.workers.upkeep import Upkeep
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.config import Settings
from mainspring.domain.redaction.secret_name import SECRET_VARIABLE_PREFIX
from mainspring.engine.attempts.attempt_hooks import AttemptHooks
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.attempts.isolation import LOOP
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import CommitChanges, Database
from mainspring.store.read.status import status
from mainspring.store.schema.row import first_value
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.migrate import migrate
from mainspring.testing.clock import FakeClock
from mainspring.testing.lab.lab_deliveries import LabDeliveries
from mainspring.testing.lab.lab_loop import LabError, LabLoop
from mainspring.testing.lab.lab_watch import LabWatch
from mainspring.testing.lab.real_time import LAB_THREAD, report_real_sleep

T = TypeVar("T")
_LONGEST_CALL_US = 366 * 86_400_000_000
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


class LabClock(FakeClock):
    """A clock whose random numbers have a sequence for each kind of thread: threads that draw at the same time do not change a test."""

    def __init__(self, at: datetime, *, seed: int) -> None:
        super().__init__(at)
        self._seed = seed
        self._dices: dict[str, random.Random] = {}

    def random_bits(self, bits: int) -> int:
        """Return the next random number of this many bits for this kind of thread."""
        kind = threading.current_thread().name.rstrip("0123456789_-")
        return self._dices.setdefault(kind, random.Random(f"{self._seed} {kind}")).getrandbits(bits)


class LabHooks(AttemptHooks):
    """`wrap` puts another Database around that of the lab, when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.wrap: Callable[[Database], Database] | None = None


class LabApp(App):
    """An app that reads only the secrets of the lab. `threads_only` = its worker runs steps of child processes in threads."""

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        clock: FakeClock,
        secrets: Mapping[str, str],
        hooks: LabHooks,
        *,
        threads_only: bool,
    ) -> None:
        if not (file := folder / "lab.db").exists():
            file.write_bytes(new_store())
        super().__init__(file, registry=registry, clock=clock)
        self.deliveries = LabDeliveries()
        self._hooks = hooks
        self._settings = replace(self._settings, threads_only=threads_only, attempt_hooks=hooks)
        self.secrets = SecretStore.of(
            None, {f"{SECRET_VARIABLE_PREFIX}{name}": value for name, value in secrets.items()}
        )

    def _warn_of_random_hash_seed(self) -> None:
        """Warn of nothing: no other process continues a run of a lab."""

    def _make_runtime(self, role: str, *, schedules: bool) -> WorkerRuntime:
        runtime = WorkerRuntime(
            self.place,
            self.registry,
            clock=self.clock,
            sealing=self.sealing,
            settings=self._settings,
            role=role,
            schedules=schedules,
            secrets=self.secrets,
            upkeep=Upkeep(extra=self._make_upkeep_parts()),
        )
        runtime.make_intake = self.deliveries.make_intake
        runtime.store.wrap = self._hooks.wrap or runtime.store.wrap
        return runtime

    @property
    def runtime(self) -> WorkerRuntime:
        """The running worker."""
        assert self._runtime is not None
        return self._runtime


class LabThread:
    """One installation: its folder, its loop, its worker. Opened and closed once, by any thread but its own."""

    watch: LabWatch

    def __init__(
        self,
        registry: Registry,
        clock: FakeClock,
        secrets: Mapping[str, str],
        settings: Settings,
        *,
        threads_only: bool,
        folder: Path | None = None,
    ) -> None:
        self._settings = settings
        self._folder = contextlib.ExitStack()
        if folder is None:
            memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
            temporary = tempfile.TemporaryDirectory(prefix=f"mainspring-lab-{os.getpid()}-", dir=memory)
            folder = Path(self._folder.enter_context(temporary))
        self.loop = LabLoop(clock)
        self.hooks = LabHooks()
        self.app = LabApp(folder, registry, clock, secrets, self.hooks, threads_only=threads_only)
        self._stopping = asyncio.Event()
        self._planned_commit = -1
        self._next_due_at: int | None = None
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name=LAB_THREAD, daemon=True)

    def open(self) -> "Future[None]":
        """Start the worker; the future ends when it works. It raises whatever prevents that."""
        self._thread.start()
        return self._opened

    def call(self, make: Callable[[], Coroutine[Any, Any, T]], *, until_idle: bool = False) -> "Future[T]":
        """Call a coroutine function in the loop of the lab; `until_idle` waits until all that it caused at this instant has happened.

        The clock moves only if the lab is idle while the call waits, so that its time-outs and retries happen.
        """
        return self._submit(lambda: self._finish(make(), until_idle=until_idle))

    def move(self, span_us: int, is_over: Callable[[], bool] | None = None) -> "Future[bool]":
        """Move the clock, as `LabLoop.jump` does; the future tells whether `is_over` was true."""

        async def jump() -> bool:
            return await self.loop.jump(span_us, is_over)

        return self._submit(jump)

    def close(self) -> None:
        """Stop the worker and delete the store. Blocks until the thread has ended."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._folder.close()

    def _submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> "Future[T]":
        if not self._thread.is_alive() or self._stopping.is_set():
            raise LabError("the lab is not open: use it inside of `with Lab(...) as lab:`")
        return asyncio.run_coroutine_threadsafe(make(), self.loop)

    async def _finish(self, call: Coroutine[Any, Any, T], *, until_idle: bool) -> T:
        task = self.loop.create_task(call)
        jump = self.loop.jump(_LONGEST_CALL_US, task.done)
        try:
            await asyncio.wait((task, jump), return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not jump.result():
                raise LabError("the call has not ended after a year on the clock of the lab")
            result = await task
            if until_idle:
                await self.loop.jump(0)
            return result
        finally:
            task.cancel()
            jump.cancel()

    def _serve(self) -> None:
        try:
            with report_real_sleep(), asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self._live())
        except BaseException as error:
            if self._opened.done():
                raise
            self._folder.close()
            self._opened.set_exception(error)

    async def _live(self) -> None:
        self.loop.is_free = True  # nothing of the user has begun
        try:
            async with self.app.running():
                self.loop.is_free = False
                runtime = self.app.runtime
                runtime.store.on_idle(self.loop.wake)
                self.watch = LabWatch(self._settings, self.loop, runtime.store, self.app.secrets)
                self.loop.find_work, self.loop.next_due_at = self._find_work, self._find_next_due
                self.loop.on_due = partial(runtime.check, CommitChanges(ready=True, facts=True, triggers=True))
                await self.loop.jump(0)  # the first rounds have ended
                self._opened.set_result(None)
                await self._stopping.wait()
                await self.watch.close()
                self.loop.find_work = self.loop.next_due_at = lambda: None
                self.loop.is_free = True  # the drain may wait for time-outs
        finally:
            self.loop.is_free = False
            self.app.close()

    def _find_work(self) -> str | None:
        """Return the work for which the lab waits, for a message; None = it is idle."""
        if not self.app.runtime.store.is_idle:
            return "a commit"
        worker = self.app.runtime.worker
        if not worker.queries.is_idle:
            return "the answer of a query"
        attempts = worker.attempts
        waiting = attempts.working
        if not waiting and self.loop.has_sockets:
            waiting = [attempt for attempt in attempts.live if attempt.spec.isolate == LOOP]
        return "\n".join(map(_describe_attempt, waiting)) or None

    def _find_next_due(self) -> int | None:
        """Return the next instant at which a run or a slot is due, in ms UTC; it changes only by a commit."""
        store = self.app.runtime.store
        if self._planned_commit != store.commit_count:
            self._planned_commit = store.commit_count
            self.watch.plan()
            due = (first_value(store.reader.read("find_next_due_time"), int), status.next_slot_at(store.reader))
            self._next_due_at = min((at for at in due if at is not None), default=None)
        return self._next_due_at


@cache
def new_store() -> bytes:
    """Return the file of an empty store. Its tables take longer to make than all other parts of a lab."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lab.db"
        connection = connect(file)
        migrate(connection)
        connection.close()
        return file.read_bytes()


def _describe_attempt(attempt: AttemptHandle) -> str:
    lines: list[str] = []
    attempt.request_stack(lines.extend)
    place = "".join(f"\n    {line}" for line in lines[-3:])
    return f"step {attempt.spec.name} of run {attempt.spec.run_id}, which runs in real time:{place}"
