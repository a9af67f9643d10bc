"""A small deterministic asyncio event loop: each run has its own, which drives its body (ADR 0001).

Invariants. The ready queue runs in order and nothing else runs. Time is the run's time, from the owner. The
owner journals timers. Tasks and futures hash by creation number, so that sets of them iterate in the same order
in each replay. Every effect outside (threads, sockets, processes, signals) raises, with a hint to use `run.step`.

The loop is entered from a plain callback, never from inside a task: from Python 3.14 on a task may not be entered
inside a task.
"""

import asyncio
import contextlib
import functools
import math
import sys
import threading
import weakref
import zlib
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextvars import Context, copy_context
from types import FunctionType, MethodType
from typing import Any, NoReturn, Protocol

from mainspring.domain.errors import BodyError
from mainspring.engine.body.coroutine_cleanup import AsyncGenerators, close_task
from mainspring.engine.body.lost_errors import LostErrors


class LoopOwner(Protocol):
    """The owner of a loop: knows the run's time, journals timers, names branches."""

    def time(self) -> float:
        """Return the run's time in seconds."""
        ...

    def add_timer(self, handle: "Timer") -> None:
        """Journal a new timer, and call `DeterministicLoop.fire` with it when it is due."""
        ...

    def cancel_timer(self, handle: "Timer") -> None:
        """Cancel a timer."""
        ...

    def name_branch(self, task: "BodyTask", coro: Coroutine[Any, Any, Any], *, is_part_of_parent: bool) -> None:
        """Set the branch of a new task."""
        ...


class Timer(asyncio.TimerHandle):
    """A timer of a body, with the task that set it."""

    task: "BodyTask | None" = None
    request: Any = None


class BodyFuture(asyncio.Future[Any]):
    """A future that hashes by its creation number, plus its loop's salt in the high bits."""

    def __init__(self, *, loop: "DeterministicLoop") -> None:
        self.number = loop.next_number()
        self._hash = self.number + loop.salt
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._hash


def _no_task() -> None:
    """Return None: the task has no parent, as after the parent is freed."""


class BodyTask(asyncio.Task[Any]):
    """A task with a branch, which hashes by its creation number, plus its loop's salt in the high bits."""

    branch: str = ""
    shields: int = 0

    def __init__(
        self, coro: Coroutine[Any, Any, Any], *, loop: "DeterministicLoop", context: Context | None, **kwargs: Any
    ) -> None:
        self.number = loop.next_number()
        self._hash = self.number + loop.salt
        self.uses: dict[str, int] = {}
        self.context = copy_context() if context is None else context
        parent = loop.current()
        self.parent: Callable[[], BodyTask | None] = _no_task if parent is None else weakref.ref(parent)
        super().__init__(coro, loop=loop, context=self.context, **kwargs)

    def __hash__(self) -> int:
        return self._hash


class DeterministicLoop(asyncio.AbstractEventLoop):
    """The loop of one body. `drive()` runs until the ready queue is empty.

    `run_id` salts the hashes: asyncio keeps the tasks of all loops in one set, where the first tasks of thousands of bodies would collide.
    The salt is in such high bits that sets of one body's tasks iterate by creation numbers alone.
    """

    def __init__(self, owner: LoopOwner, run_id: str = "") -> None:
        _refuse_effects()
        self._owner = owner
        self.salt = (zlib.crc32(run_id.encode("utf-8", "surrogatepass")) & 0xFFFFF) << 40
        self._ready: deque[asyncio.Handle] = deque()
        self._number = 0
        self._polling: list[asyncio.Handle] = []
        self.tasks: dict[int, BodyTask] = {}
        self.lost_errors = LostErrors()
        self.closed = self.is_spoiled = False
        self.refuse_task: Callable[[], None] | None = None
        """Raises if the current code may start no task."""
        self.generators = AsyncGenerators(self.create_task, self._task_runs)
        self._hooks = self.generators.on_first_iteration, self.generators.on_finalize

    def next_number(self) -> int:
        """Return the next creation number, from 1."""
        self._number += 1
        return self._number

    # -- for asyncio ---------------------------------------------------------------------------------------------------

    def get_debug(self) -> bool:
        """Return False: debug mode would make tasks depend on source positions."""
        return False

    def is_running(self) -> bool:
        """Return True: a body only sees its loop while it is driven."""
        return True

    def is_closed(self) -> bool:
        """Return whether the body was unloaded."""
        return self.closed

    def time(self) -> float:
        """Return the run's time in seconds: the instant of the last delivered outcome."""
        return self._owner.time()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Append to the ready queue. Raises MiddlewareError: it is a function of a middleware around a run, which could start a task."""
        if self.refuse_task is not None and type(callback) in _OWN_CALLBACKS and not _is_of_asyncio(sys._getframe(1)):
            self.refuse_task()
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
        timer._scheduled = True  # type: ignore[attr-defined]  # without it a cancel is not reported to `_timer_handle_cancelled`
        timer.task = self.current()
        if when != math.inf:  # otherwise it is never due: nothing to make durable
            self._owner.add_timer(timer)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Timer:
        """Set a timer `delay` seconds of run time from now."""
        return self.call_at(self._owner.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._owner.cancel_timer(handle)  # type: ignore[arg-type]

    def create_future(self) -> BodyFuture:
        """Create a future of this loop. Each one counts: the order of a set of futures depends on their numbers."""
        if self.refuse_task is not None:
            self.refuse_task()
        return BodyFuture(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any) -> BodyTask:
        """Create a task; its branch is named by its coroutine and its parent."""
        caller = _find_caller()
        _refuse_random_order(coro, caller)
        _refuse_finalizer(coro, caller)
        if isinstance(self._ready, _RefusingQueue):
            coro.close()
            raise BodyError(READ_ONLY)
        if self.refuse_task is not None:
            try:
                self.refuse_task()
            except BaseException:
                coro.close()
                raise
        task = BodyTask(coro, loop=self, name=name, context=context)
        self.tasks[task.number] = task
        task.add_done_callback(self._drop_task)
        # Only Python 3.11 makes a task there; the identities of requests must not depend on the version.
        self._owner.name_branch(task, coro, is_part_of_parent=_is_in(caller, "wait_for"))
        return task

    def _drop_task(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task.number, None)  # type: ignore[attr-defined]
        self.lost_errors.add_task(task)

    def current(self) -> BodyTask | None:
        """Return the current task of the body."""
        return asyncio.current_task(self)  # type: ignore[return-value]

    def pending_tasks(self) -> list[BodyTask]:
        """Return the tasks that have not ended, except the current one, in the order of creation."""
        if len(self.tasks) <= 1:
            return []
        current = self.current()
        return [task for task in self.tasks.values() if task is not current and not task.done()]

    def _task_runs(self) -> bool:
        return events._get_running_loop() is self and self.current() is not None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore the errors of freed tasks, which arrive at random moments: `lost_errors` has them."""

    def get_exception_handler(self) -> None:
        """There is none."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Nothing to do."""

    def get_task_factory(self) -> None:
        """Return None; libraries that create tasks (anyio) call this."""

    async def shutdown_asyncgens(self) -> None:
        """Do nothing: async generators end with the body (`shutdown`)."""

    # -- for the owner -------------------------------------------------------------------------------------------------

    def fire(self, timer: Timer) -> None:
        """Put a timer whose outcome was delivered into the ready queue."""
        timer._scheduled = False  # type: ignore[attr-defined]
        if not timer.cancelled():
            self._ready.append(timer)

    def drive(self) -> None:
        """Run until the ready queue is empty. SystemExit and KeyboardInterrupt of a body stay in its task."""
        outer, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(*self._hooks)
        try:
            self._run_ready()
            while self._polling:  # until they only schedule themselves again
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

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let code read the state of the body at rest: within the context it can start no task and wake none."""
        outer, ready = events._get_running_loop(), self._ready
        events._set_running_loop(self)
        self._ready = refusing = _RefusingQueue()
        try:
            yield
        finally:
            self._ready = ready
            self.is_spoiled |= refusing.has_refused
            events._set_running_loop(outer)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                try:
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
                except BaseException as error:  # noqa: BLE001  like Handle._run; a body's SystemExit stays in its task
                    if not isinstance(getattr(handle._callback, "__self__", None), BodyTask):  # type: ignore[attr-defined]
                        self.lost_errors.add_callback(error)

    def unload(self) -> bool:
        """Close every unfinished coroutine. The owner refuses all its calls from now on.

        Return False if one swallows its end: it is never run again, nor freed.
        """
        self.closed = self.generators.closed = ended = True
        outer, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(None, None)
        try:
            while self.tasks:  # a finally block may create more tasks; they are never started
                task = self.tasks.pop(next(iter(self.tasks)))
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                ended &= close_task(task, self, task.context)
        finally:
            sys.set_asyncgen_hooks(*hooks)
            events._set_running_loop(outer)
            self.tasks.clear()
            self._ready.clear()
            self._polling.clear()
        return ended


READ_ONLY = "a check of an update and a query only read the state of the workflow: they call no run.* method, and start and wake no task"


class _RefusingQueue(deque[asyncio.Handle]):
    """The ready queue of a body that is only read."""

    has_refused = False

    def append(self, handle: asyncio.Handle, /) -> None:
        """Refuse to schedule anything. What wanted it has half changed: an event that is set, a future that is done."""
        self.has_refused = True
        handle.cancel()
        raise BodyError(READ_ONLY)


def _is_of_asyncio(frame: Any) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "asyncio"


def _find_caller() -> Any:
    """Return the frame that creates a task."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_name in ("ensure_future", "_ensure_future"):
        frame = frame.f_back
    return frame


def _is_in(frame: Any, *functions: str) -> bool:
    return frame.f_code.co_name in functions and frame.f_globals.get("__name__") == "asyncio.tasks"


def _refuse_random_order(coro: Any, caller: Any) -> None:
    """Refuse coroutines in asyncio.as_completed: it puts them into a set, which orders them by memory address."""
    if _is_in(caller, *_AS_COMPLETED):
        coro.close()
        raise BodyError(
            "asyncio.as_completed starts coroutines in random order, so a resumed run could differ: write "
            "run.as_completed(...), or give it tasks made by asyncio.create_task(...)"
        )


def _refuse_finalizer(coro: Any, caller: Any) -> None:
    """Refuse a task of `__del__`: clients of HTTP close themselves so, at the random moment at which they are freed."""
    if caller.f_code.co_name == "__del__":
        coro.close()
        raise BodyError(
            "an object that is freed cannot start a task in a workflow body: close it in the step that uses it"
        )


_ANYIO_POLL = "_deliver_cancellation"
"""anyio repeats this call as long as a task of a cancelled scope lives: it must not prevent a body from coming to rest."""
_OWN_CALLBACKS = (FunctionType, MethodType, functools.partial)
"""Callbacks of programs; tasks and futures have types of C."""
_AS_COMPLETED = frozenset({"<setcomp>", "as_completed", "__init__"})
"""The code that creates its tasks: 3.11, 3.12, and its iterator from 3.13 on."""


_THREADSAFE = "call_soon_threadsafe"
"""Libraries know by its NotImplementedError that no other thread can call into this loop."""


def _refusing_method(name: str) -> Callable[..., NoReturn]:
    def refused(_self: DeterministicLoop, *_args: Any, **_kwargs: Any) -> NoReturn:
        if name == _THREADSAFE:
            raise NotImplementedError(
                f"a workflow body has no {name}: a resumed run would be called at another point. Send the run a signal, and "
                "await run.receive(...) in its body"
            )
        raise BodyError(
            f"a workflow body cannot use {name}: a resumed run would get another value. Put it into a "
            "function and await run.step(function, ...)"
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
    """Audit hook: refuse effects of code in a driven body; other code and other threads are not affected."""
    effect = effects.get(event)  # a parameter: at its end the interpreter audits events after modules lost their names
    if effect is not None and type(events._get_running_loop()) is DeterministicLoop:
        raise BodyError(
            f"a workflow body cannot {effect}: it would happen again whenever the run is resumed. Put it into "
            "a function and await run.step(function, ...)"
        )


@functools.cache
def _refuse_effects() -> None:
    """Refuse, from now on and in every body of this process, effects that bypass the loop."""
    sys.addaudithook(_refuse_effect)
    if sys.version_info < (3, 12):  # it has no audit event for threads
        threading.Thread.start = _audited(threading.Thread.start)  # type: ignore[assignment, method-assign]


def _audited(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(start)
    def audited(thread: threading.Thread) -> None:
        _refuse_effect("_thread.start_new_thread", ())
        start(thread)

    return audited


_IMPLEMENTED = set(vars(DeterministicLoop))
for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and _name not in _IMPLEMENTED:
        setattr(DeterministicLoop, _name, _refusing_method(_name))
DeterministicLoop.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
