"""A step in a child process: the one kind whose time-out really stops plain code, with all that it started.

The time-out counts from when the function is called; until then (a child is started, modules are imported) it is given
`_START_AFTER` more. Whatever ends the child without an answer is a failure of this attempt, not of the worker.
"""

import contextlib
from collections.abc import Callable

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.log_line import STREAM_LEVELS
from mainspring.domain.values.saved_call import decode_result
from mainspring.engine import attempt_end, frames
from mainspring.engine.attempt_end import AttemptEnd
from mainspring.engine.attempt_spec import AttemptSpec
from mainspring.engine.child_process import ChildProcess
from mainspring.engine.children import Children
from mainspring.engine.isolation import importable
from mainspring.engine.live_attempt import Host, LiveAttempt, OnEnd, OnPlace
from mainspring.engine.process_tree import tree_of
from mainspring.engine.remote_error import rebuild_error
from mainspring.engine.signs import Ack, CheckpointSign, LockSign, LogSign, ProgressSign, UnlockSign

_START_AFTER = 60.0
_ANSWER_AFTER = 2.0
_NO_ANSWER = (
    f"its child process did not answer within {_ANSWER_AFTER:g} s: "
    "it is stopped, or in code that lets no other thread run"
)


class ProcessAttempt(LiveAttempt):
    """Speaks with the child that serves this attempt."""

    __slots__ = ("_asked", "_child", "_children", "_last_words", "_ref")

    def __init__(self, host: Host, spec: AttemptSpec, on_end: OnEnd, children: Children) -> None:
        self._ref = importable(spec.fn)
        super().__init__(host, spec, on_end)
        self._child: ChildProcess | None = None
        self._last_words = ""
        self._asked: tuple[int, OnPlace] | None = None
        """The question where its code stands, by number, and whom to tell."""
        self._children = children
        children.lend(self)

    def take(self, child: ChildProcess) -> None:
        """Send the call to this child."""
        spec = self.spec
        self._child = child
        child.tenant = self
        self.begin()
        if spec.timeout is not None:
            self.after(spec.timeout.total_seconds() + _START_AFTER, self._time_out)
        child.send(
            frames.Call(
                fn=self._ref,
                skip=spec.signature.skip,
                run_id=spec.run_id,
                ident=spec.ident,
                name=spec.name,
                key=spec.key,
                attempt=spec.attempt,
                input=msgspec.Raw(spec.input),
                checkpoint=frames.NULL if spec.checkpoint is None else msgspec.Raw(spec.checkpoint),
                has_checkpoint=spec.checkpoint is not None,
                slot_at=spec.slot_at,
                automation=spec.automation,
                payload_max=spec.payload_max,
            )
        )

    def miss(self, error: OSError) -> None:
        """Fail: there is no child to be had."""
        self.finish(attempt_end.raised(error, self.host.classifier, self.host.clock, self.took_us))

    def hear(self, message: frames.FromChild) -> None:
        """Take what the child says."""
        match message:
            case frames.Began():
                self.begin()
                if self.spec.timeout is not None and not self.is_stopped:
                    self.stop_timers()
                    self.after(self.spec.timeout.total_seconds(), self._time_out)
            case frames.Logged(level, text, fields, logger):
                self.sign(LogSign(level, text, fields, logger=logger))
            case frames.Progressed(done, total):
                self.sign(ProgressSign(done, total))
            case frames.Checkpointed(number, data):
                self.sign(CheckpointSign(bytes(data), self._ack_of(number)))
            case frames.Recorded(outgoing):
                self.outgoing.append(outgoing)
            case frames.LockAsked(number, name, within_s):
                self.has_locks = True
                self.sign(LockSign(number, name, within_s, self._answer_of(number)))
            case frames.Unlocked(number):
                self.sign(UnlockSign(number))
            case frames.Place(number, lines):
                began = tree_of(self._child.pid)[1:] if self._child is not None else []
                self._tell_place(number, lines + began)
            case frames.Ended():
                self._release(message)
                self.finish(self._end_of(message))

    def read_line(self, stream: str, text: str) -> None:
        """Keep a line that the step printed."""
        if stream == "stderr":
            self._last_words = text
        self.sign(LogSign(STREAM_LEVELS[stream], text, stream=stream))

    def bury(self, code: int) -> None:
        """The child ended without an answer."""
        self._child = None
        died = attempt_end.child_died(self.spec, code, self._last_words, self.took_us)
        self.finish(self.stopped() if self.is_stopped else died)

    def cancel(self, why: str) -> None:
        """End the child, or give up waiting for one."""
        if self.closed or self.why_cancelled is not None:
            return
        self.why_cancelled = why
        if self._child is None:
            self.host.loop.call_soon(lambda: self.finish(self.stopped()), context=self.host.context)
        else:
            self._stop()

    def ask_where(self, told: OnPlace) -> None:
        """Ask the child, and tell what is seen of it from here if it does not answer."""
        child, number = self._child, next(self.host.numbers)
        if child is None:
            told(["it waits for a free child process: worker.processes is how many there are"])
            return
        self._asked = number, told
        child.send(frames.PlaceAsked(number))
        self.after(_ANSWER_AFTER, lambda: self._tell_place(number, [*tree_of(child.pid), _NO_ANSWER]))

    def _tell_place(self, number: int, lines: list[str]) -> None:
        if self._asked is not None and self._asked[0] == number:
            (_, told), self._asked = self._asked, None
            told(lines)

    def _time_out(self) -> None:
        self.is_late = True
        self._stop()

    def _stop(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        limit = self._children.settings.kill_after + self.host.grace_after
        self.after(limit, lambda: self.abandon(f"the child of step {self.spec.name!r} cannot be killed"))

    def _release(self, message: frames.Ended) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._children.give_back(child, message.memory, is_spent=message.is_spent)

    def _end_of(self, message: frames.Ended) -> AttemptEnd:
        if message.failure is not None:
            if self.is_stopped:
                return self.stopped(message.failure)
            error = rebuild_error(message.error)
            return AttemptEnd(failure=message.failure, verdict=message.verdict, took_us=message.took_us, error=error)
        if not message.ok:
            return AttemptEnd(refused=message.refused, took_us=message.took_us)
        output = bytes(message.output)
        try:
            value = decode_result(self.spec.signature, output, f"result of step {self.spec.name!r}")
        except ValueRefusedError as error:  # the child imported another version of the code than is loaded here
            return AttemptEnd(refused=Failure.of(error, self.host.classifier.classify(error)), took_us=message.took_us)
        return AttemptEnd(ok=True, output=output, value=value, took_us=message.took_us)

    def _ack_of(self, number: int) -> Ack:
        """Return what answers this checkpoint; from any thread."""
        send = self._send_to(self._child)
        return lambda error: send(frames.Acked(number, None if error is None else _told(error)))

    def _answer_of(self, number: int) -> Callable[[int | BaseException], None]:
        """Return what answers this request for a lock; from any thread."""
        send = self._send_to(self._child)

        def answer(result: int | BaseException) -> None:
            if isinstance(result, int):
                send(frames.Locked(number, result))
            else:
                send(frames.Locked(number, code=getattr(result, "code", ""), error=_told(result)))

        return answer

    def _send_to(self, child: ChildProcess | None) -> Callable[[frames.ToChild], None]:
        loop = self.host.loop

        def send(message: frames.ToChild) -> None:
            if child is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed, and the child killed
                    loop.call_soon_threadsafe(child.send, message)

        return send


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
