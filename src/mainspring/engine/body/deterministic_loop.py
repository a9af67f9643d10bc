"""A small deterministic asyncio event loop: the body of one run is driven by its own (ADR 0001).

Invariants. The ready queue runs in order and nothing else runs. Time is the run's time, told by the owner. Timers are
handed to the owner, who journals them. Tasks and futures hash by creation number, so that sets of them iterate alike
in each replay. Whatever would reach outside (threads, sockets, processes, signals) raises and shows the `run.step`
form.

The loop is entered from a plain callback, never from inside a task: from Python 3.14 on a task may not be entered
inside a task.
"""

import asyncio
import functools
import math
import sys
import threading
import zlib
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from types import MethodType
from typing import Any, NoReturn, Protocol

from mainspring.domain.errors import BodyError
from mainspring.engine.body.async_generators import AsyncGenerators
from mainspring.engine.body.coroutine_close import close_task


class LoopOwner(Protocol):
    """Who owns a loop: tells the run's time, journals timers, names branches."""

    def time(self) -> float:
        """Return the run's time in seconds."""
        ...

    def timer_set(self, handle: "Timer") -> None:
        """A timer was set: hand it back through `DeterministicLoop.fire` when its time has come."""
        ...

    def timer_cancelled(self, handle: "Timer") -> None:
        """A timer was given up."""
        ...

    def task_made(self, task: "BodyTask", coro: Coroutine[Any, Any, Any]) -> None:
        """A task was made: give it its branch."""
        ...


class Timer(asyncio.TimerHandle):
    """A timer of a body, with the task that set it."""

    task: "BodyTask | None" = None
    request: Any = None


class BodyFuture(asyncio.Future[Any]):
    """A future that hashes by its creation number, and by its loop's salt far above that."""

    def __init__(self, *, loop: "DeterministicLoop") -> None:
        self.number = loop.next_number()
        self._hash = self.number + loop.salt
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._hash


class BodyTask(asyncio.Task[Any]):
    """A task that hashes by its creation number, and by its loop's salt far above that, and knows its branch."""

    branch: str = ""
    shields: int = 0

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: "DeterministicLoop", **kwargs: Any) -> None:
        self.number = loop.next_number()
        self._hash = self.number + loop.salt
        self.uses: dict[str, int] = {}
        super().__init__(coro, loop=loop, **kwargs)

    def __hash__(self) -> int:
        return self._hash


class DeterministicLoop(asyncio.AbstractEventLoop):
    """The loop of one body. `drive()` runs until the ready queue is empty.

    `run_id` salts the hashes: asyncio keeps the tasks of all loops in one set, where the first tasks of thousands of bodies would all meet
    in one place. The salt stands so high that sets of one body's tasks iterate by creation numbers alone.
    """

    def __init__(self, owner: LoopOwner, run_id: str = "") -> None:
        _refuse_effects()
        self._owner = owner
        self.salt = (zlib.crc32(run_id.encode("utf-8", "surrogatepass")) & 0xFFFFF) << 40
        self._ready: deque[asyncio.Handle] = deque()
        self._number = 0
        self._polling: list[asyncio.Handle] = []
        self.tasks: dict[int, BodyTask] = {}
        self.closed = False
        self.generators = AsyncGenerators(self.create_task, self._task_runs)
        self._hooks = self.generators.begun, self.generators.left

    def next_number(self) -> int:
        """Return the next creation number, from 1."""
        self._number += 1
        return self._number

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------------

    def get_debug(self) -> bool:
        """Debug mode would make tasks depend on source positions; never on."""
        return False

    def is_running(self) -> bool:
        """A body only ever sees its loop while it is driven."""
        return True

    def is_closed(self) -> bool:
        """Tell whether the body was unloaded."""
        return self.closed

    def time(self) -> float:
        """Return the run's time in seconds: the instant of the last outcome handed over."""
        return self._owner.time()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Append to the ready queue."""
        handle = asyncio.Handle(callback, args, self, context)
        if type(callback) is MethodType and callback.__name__ == _ANYIO_POLL:
            self._polling.append(handle)
        else:
            self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Timer:
        """Set a timer on run time; the owner makes it durable."""
        timer = Timer(when, callback, args, self, context)
        timer._scheduled = True  # type: ignore[attr-defined]  # else a cancel is not reported to `_timer_handle_cancelled`
        timer.task = self.current()
        if when != math.inf:  # else it is never due: nothing to make durable
            self._owner.timer_set(timer)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Timer:
        """Set a timer so many seconds of run time from now."""
        return self.call_at(self._owner.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._owner.timer_cancelled(handle)  # type: ignore[arg-type]

    def create_future(self) -> BodyFuture:
        """Make a future of this loop."""
        return BodyFuture(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any) -> BodyTask:
        """Make a task; its branch is named by its coroutine and its parent."""
        _refuse_order_by_chance(coro)
        task = BodyTask(coro, loop=self, name=name, context=context)
        self.tasks[task.number] = task
        task.add_done_callback(self._forget)
        self._owner.task_made(task, coro)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task.number, None)  # type: ignore[attr-defined]

    def current(self) -> BodyTask | None:
        """Return the body's task that runs now."""
        return asyncio.current_task(self)  # type: ignore[return-value]

    def pending_tasks(self) -> list[BodyTask]:
        """Return the tasks that have not ended, but the one that runs now, in the order of their making."""
        if len(self.tasks) <= 1:
            return []
        current = self.current()
        return [task for task in self.tasks.values() if task is not current and not task.done()]

    def _task_runs(self) -> bool:
        return events._get_running_loop() is self and self.current() is not None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Errors that nobody fetched are no concern of the loop: outcomes are in the journal."""

    def get_exception_handler(self) -> None:
        """There is none."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Nothing to do."""

    def get_task_factory(self) -> None:
        """There is none: libraries that make tasks (anyio) ask."""

    async def shutdown_asyncgens(self) -> None:
        """Async generators end with the body (`body_shutdown`)."""

    # -- what the owner does -------------------------------------------------------------------------------------------

    def fire(self, timer: Timer) -> None:
        """Put a timer whose outcome was handed over into the ready queue."""
        timer._scheduled = False  # type: ignore[attr-defined]
        if not timer.cancelled():
            self._ready.append(timer)

    def drive(self) -> None:
        """Run what is ready until nothing is. SystemExit and KeyboardInterrupt of a body stay in its task."""
        outer, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(*self._hooks)
        try:
            self._run_ready()
            while self._polling:  # until all that they do is to ask for another turn
                polling, self._polling = self._polling, []
                for handle in polling:
                    if not handle.cancelled():
                        handle._run()
                if not self._ready:
                    break
                self._run_ready()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            events._set_running_loop(outer)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                try:
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
                except BaseException:  # noqa: BLE001, S112  as Handle._run, and a body's SystemExit stays in its task
                    continue

    def unload(self) -> bool:
        """Close every coroutine that still stands. The owner refuses all its calls from now on.

        Returns False if one goes on in spite of it: that one is never run again, nor freed.
        """
        self.closed = self.generators.closed = ended = True
        outer, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(None, None)
        try:
            while self.tasks:  # a finally block may make more of them; they are never begun
                task = self.tasks.pop(next(iter(self.tasks)))
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                ended &= close_task(task, self)
        finally:
            sys.set_asyncgen_hooks(*hooks)
            events._set_running_loop(outer)
            self.tasks.clear()
            self._ready.clear()
            self._polling.clear()
        return ended


def _refuse_order_by_chance(coro: Any) -> None:
    """Refuse coroutines in asyncio.as_completed: it puts them into a set, which orders them by their places in memory."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_name in ("ensure_future", "_ensure_future"):
        frame = frame.f_back
    if frame.f_globals.get("__name__") == "asyncio.tasks" and frame.f_code.co_name in _AS_COMPLETED:
        coro.close()
        raise BodyError(
            "asyncio.as_completed starts coroutines in an order by chance, which would not be repeated alike: "
            "write run.as_completed(...), or give it tasks made by asyncio.create_task(...)"
        )


_ANYIO_POLL = "_deliver_cancellation"
"""anyio calls this again and again, as long as a task of a cancelled scope lives: alone it must not keep a body from its rest."""
_AS_COMPLETED = frozenset({"<setcomp>", "as_completed", "__init__"})
"""Who makes the tasks of it: 3.11, 3.12, and its iterator from 3.13 on."""


def _refusing_method(name: str) -> Callable[..., NoReturn]:
    def refused(_self: DeterministicLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise BodyError(
            f"a workflow body cannot use {name}: it would not be repeated alike when the run is continued. "
            "Put it into a function and await run.step(function, ...)"
        )

    refused.__name__ = name
    return refused


_FORBIDDEN_EFFECTS = {
    "_thread.start_new_thread": "start a thread",
    "_thread.start_joinable_thread": "start a thread",
    "subprocess.Popen": "start a process",
    "os.system": "start a process",
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "socket.connect": "use a socket",
    "socket.bind": "use a socket",
    "socket.sendto": "use a socket",
    "socket.getaddrinfo": "use a socket",
}


def _refuse_effect(event: str, _args: tuple[Any, ...], effects: Mapping[str, str] = _FORBIDDEN_EFFECTS) -> None:
    """Look at what the interpreter tells of before it happens; it is asked for nothing outside of a drive, and in no other thread."""
    what = effects.get(event)  # our own: at its end the interpreter tells of events when modules have lost their names
    if what is not None and type(events._get_running_loop()) is DeterministicLoop:
        raise BodyError(
            f"a workflow body cannot {what}: it would happen again whenever the run is continued. "
            "Put it into a function and await run.step(function, ...)"
        )


@functools.cache
def _refuse_effects() -> None:
    """Refuse, from now on and in every body of this process, what code does without asking its loop."""
    sys.addaudithook(_refuse_effect)
    if sys.version_info < (3, 12):  # it tells of no thread
        threading.Thread.start = _audited(threading.Thread.start)  # type: ignore[assignment, method-assign]


def _audited(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(start)
    def told(thread: threading.Thread) -> None:
        _refuse_effect("_thread.start_new_thread", ())
        start(thread)

    return told


_IMPLEMENTED = set(vars(DeterministicLoop))
for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and _name not in _IMPLEMENTED:
        setattr(DeterministicLoop, _name, _refusing_method(_name))
DeterministicLoop.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
