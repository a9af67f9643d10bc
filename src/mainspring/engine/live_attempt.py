"""An attempt that runs now: what those in the loop, in a thread and in a child have in common.

Invariants: `on_end` is called once, from the loop and never inside `start`; after that, or after `close`, the attempt is
closed: none of its signs gets through and a late result is dropped.
"""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from mainspring.domain.classify import Classifier
from mainspring.domain.clock import Clock
from mainspring.domain.failure import Failure
from mainspring.domain.outgoing import Outgoing
from mainspring.engine import attempt_end
from mainspring.engine.ambient import IN_BODY
from mainspring.engine.attempt_end import AttemptEnd
from mainspring.engine.attempt_spec import AttemptSpec
from mainspring.engine.signs import AbandonedSign, CheckpointSign, LockSign, ProcessSign, Sign, SignKind, UnlockSign
from mainspring.engine.step_context import SAVED, STEP, AttemptClosed, Saved, StepContext, refuse_closed

OnEnd = Callable[[AttemptEnd], None]
OnSign = Callable[[AttemptSpec | None, SignKind, Sign], None]


class Host:
    """What all attempts of one loop share."""

    __slots__ = ("abandoned", "classifier", "clock", "context", "grace_after", "live", "loop", "on_sign", "thread")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, classifier: Classifier, clock: Clock, on_sign: OnSign, grace_after: float
    ) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.classifier = classifier
        self.clock = clock
        self.on_sign = on_sign
        self.grace_after = grace_after
        self.live: set[LiveAttempt] = set()
        self.abandoned: set[LiveAttempt] = set()
        # Copied once, so that steps see the program's variables but never the body that asked for them.
        self.context = contextvars.copy_context()
        self.context.run(IN_BODY.set, False)
        self.context.run(STEP.set, None)


class LiveAttempt:
    """One attempt under way; also its own channel for signs, unless a child carries them."""

    __slots__ = (
        "_began",
        "_on_end",
        "_saves",
        "_timers",
        "closed",
        "has_locks",
        "host",
        "is_late",
        "outgoing",
        "spec",
        "why_cancelled",
    )

    def __init__(self, host: Host, spec: AttemptSpec, on_end: OnEnd) -> None:
        self.host = host
        self.spec = spec
        self.closed = False
        self.has_locks = False
        """Whether it has asked for a lock: then it may hold one at its end."""
        self.is_late = False
        self.why_cancelled: str | None = None
        self._on_end = on_end
        self._began = time.perf_counter_ns()
        self._timers: list[asyncio.TimerHandle] = []
        self._saves: set[_Save] = set()
        self.outgoing: list[Outgoing] = []
        host.live.add(self)

    def begin(self) -> None:
        """Count the time from here: what came before was waiting for a place to run."""
        self._began = time.perf_counter_ns()

    @property
    def took_us(self) -> int:
        """Time since the call, in microseconds."""
        return (time.perf_counter_ns() - self._began) // 1000

    def step_context(self) -> StepContext:
        """Return what the step's code sees of this attempt."""
        spec = self.spec
        return StepContext(
            self,
            run_id=spec.run_id,
            name=spec.name,
            key=spec.key,
            attempt=spec.attempt,
            automation=spec.automation,
            slot_at=spec.slot_at,
            saved=spec.checkpoint,
            payload_max=spec.payload_max,
        )

    def cancel(self, why: str) -> None:
        """Stop the attempt; its end is reported as cancelled, unless it was already on its way."""
        raise NotImplementedError

    def stack(self) -> list[str]:
        """Return where its code stands, outermost first, as far as this process can see."""
        return ["in a process of its own"]

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back in the loop after so many seconds, unless the attempt ends first."""
        self._timers.append(self.host.loop.call_later(seconds, callback, context=self.host.context))

    def stop_timers(self) -> None:
        """Take back every `after`."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def finish(self, end: AttemptEnd) -> None:
        """Report the end; only the first one counts."""
        if not self.closed:
            self.close()
            if self.outgoing and end.failure is None:
                end.outgoing = tuple(self.outgoing)
            self._on_end(end)

    def close(self) -> None:
        """Let nothing of this attempt through any more."""
        self.closed = True
        self.host.live.discard(self)
        if self._timers:
            self.stop_timers()
        for save in tuple(self._saves) if self._saves else ():
            save.ack(AttemptClosed(f"step {self.spec.name!r} was given up before what it waits for was committed"))
        if self.has_locks:
            self.host.on_sign(self.spec, SignKind.UNLOCK, UnlockSign(None))

    @property
    def is_stopped(self) -> bool:
        """Whether we asked it to end: cancelled or timed out."""
        return self.is_late or self.why_cancelled is not None

    def stopped(self, cause: Failure | None = None) -> AttemptEnd:
        """Return the end of an attempt that we stopped. `cause` is what its code then failed with."""
        if self.why_cancelled is not None:
            return attempt_end.cancelled(self.spec, self.why_cancelled, self.took_us, cause)
        return attempt_end.timed_out(self.spec, self.took_us, cause)

    def abandon(self, why: str) -> None:
        """Report the end of code that goes on running, and that it does."""
        if self.closed:
            return
        self.host.abandoned.add(self)
        self.sign(AbandonedSign(why))
        self.finish(self.stopped())

    def sign(self, sign: Sign) -> None:
        """Hand a sign to the engine; in the loop's thread."""
        if not self.closed:
            self.host.on_sign(self.spec, sign.kind, sign)
        elif isinstance(sign, CheckpointSign | ProcessSign) and sign.ack is not None:
            sign.ack(AttemptClosed("too late"))  # a lock that was asked for is answered by `close`

    def post(self, sign: Sign) -> None:
        """Hand a sign to the engine; from any thread."""
        if self.closed:
            refuse_closed(self.spec.name)
        if threading.get_ident() == self.host.thread:
            self.sign(sign)
        else:
            self.call_soon(self.sign, sign)

    def save(self, data: bytes) -> "Saved | _Save":
        """Hand a checkpoint to the engine; off the loop's thread, wait for its commit."""
        if self.closed:
            refuse_closed(self.spec.name)
        save = _Save(self)
        self._saves.add(save)
        self.post(CheckpointSign(data, save.ack))
        if threading.get_ident() == self.host.thread:
            return save
        save.wait()
        return SAVED

    def record(self, outgoing: Outgoing) -> None:
        """Keep what is to be sent with the end of this attempt; from any thread."""
        if self.closed:
            refuse_closed(self.spec.name)
        self.outgoing.append(outgoing)

    def lock(self, name: str, within_s: float) -> "_Grant":
        """Ask for a lock; from any thread."""
        if self.closed:
            refuse_closed(self.spec.name)
        save = _Save(self)
        grant = _Grant(self.host, save)
        self._saves.add(save)
        self.has_locks = True
        self.post(LockSign(name, within_s, grant.answer))
        return grant

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back in the loop, from any thread; a loop that is gone ends the attempt's code."""
        try:
            self.host.loop.call_soon_threadsafe(callback, *args, context=self.host.context)
        except RuntimeError:  # the loop is closed: nobody is left who could count what we say
            refuse_closed(self.spec.name)

    def forget(self, save: "_Save") -> None:
        """Drop a checkpoint that is settled."""
        self._saves.discard(save)


class _Save:
    """One checkpoint on its way to the store; awaitable in the loop, waited for elsewhere."""

    __slots__ = ("_attempt", "_awaited", "_error", "_event", "_lock", "_settled")

    def __init__(self, attempt: LiveAttempt) -> None:
        self._attempt = attempt
        self._lock = threading.Lock()
        self._settled = False
        self._error: BaseException | None = None
        self._event: threading.Event | None = None
        self._awaited: list[asyncio.Future[None]] = []

    def ack(self, error: BaseException | None) -> None:
        """Settle it; the first call counts."""
        with self._lock:
            if self._settled:
                return
            self._settled, self._error = True, error
        self._attempt.forget(self)
        if self._event is not None:
            self._event.set()
        if threading.get_ident() == self._attempt.host.thread:
            self._wake()
        elif self._awaited:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever awaited
                self._attempt.host.loop.call_soon_threadsafe(self._wake)

    def wait(self) -> None:
        """Block this thread until it is settled."""
        with self._lock:
            if not self._settled:
                self._event = threading.Event()
        if self._event is not None:
            self._event.wait()
        if self._error is not None:
            raise self._error

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in the loop until it is settled."""
        if not self._settled:
            future = self._attempt.host.loop.create_future()
            self._awaited.append(future)
            if not self._settled:
                yield from future
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        for future in self._awaited:
            if not future.done():
                future.set_result(None)


class _Grant:
    """One lock on its way, waited for as a checkpoint is; in an event loop of the step's own without blocking that."""

    __slots__ = ("_host", "_save", "_token")

    def __init__(self, host: Host, save: _Save) -> None:
        self._host = host
        self._save = save
        self._token = 0

    def answer(self, result: int | BaseException) -> None:
        """Settle it with the fencing token, or with what kept it back."""
        if isinstance(result, int):
            self._token = result
            self._save.ack(None)
        else:
            self._save.ack(result)

    def wait(self) -> int:
        """Block this thread until it is settled."""
        self._save.wait()
        return self._token

    def __await__(self) -> Generator[Any, None, int]:
        """Wait in the loop that runs here until it is settled."""
        if threading.get_ident() == self._host.thread:
            yield from self._save.__await__()
        else:
            yield from asyncio.get_running_loop().run_in_executor(None, self._save.wait).__await__()
        return self._token
