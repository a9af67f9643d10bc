"""A warm child: `python -m mainspring.engine.attempts.processes.child FD PARENT`, which runs one call at a time for its worker.

Role: imports the user's function by name, runs it in the main thread, and sends `ms.*` calls over the channel. Its
prints go to the pipes that the worker reads. Invariants: it never outlives its parent (the kernel's signal, else
the end of the channel); each call gets exactly one EndMessage, unless the process dies; no user object that cannot
be printed or encoded prevents that EndMessage.
"""

import contextlib
import contextvars
import faulthandler
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call
from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import PROCESS, load_callable
from mainspring.engine.attempts.logs.log_capture import install_capture_in_child
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_channel import ChildChannel
from mainspring.engine.attempts.processes.process_lifetime import die_with_parent
from mainspring.engine.attempts.processes.remote_error import describe_error
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext
from mainspring.engine.attempts.thread_attempt import call_to_end
from mainspring.resources.secret_variables import SECRET_VARIABLES

_MAX_REASON = 2000


class _ChildServer:
    """Runs calls one after the other."""

    def __init__(self, link: ChildChannel, classifier: Classifier) -> None:
        self._link = link
        self._classifier = classifier
        self._clock = SystemClock()
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=link.leave)

    def serve(self, call: child_protocol.CallMessage) -> None:
        """Run one call and report its end."""
        threads = threading.active_count()
        started_ns = time.perf_counter_ns()
        is_spent = False
        try:
            spec = _build_spec(call)
            self._link.send(child_protocol.StartMessage())
            started_ns = time.perf_counter_ns()
            value = contextvars.copy_context().run(self._run, spec)
        except BaseException as error:  # noqa: BLE001 - any error is the step's failure, not the child's
            kind = type(error)  # the real type: an exception may lie about its class, or raise
            is_spent = issubclass(kind, MemoryError) or not issubclass(kind, Exception)
            end = attempt_end.end_with_error(error, self._classifier, self._clock, _elapsed_us(started_ns))
        else:
            end = attempt_end.end_with_result(spec, value, self._classifier, _elapsed_us(started_ns))
        if os.getpid() != self._pid:
            os._exit(0)  # a process that the step forked returned here: it must not answer
        _flush()
        self._send_end(end, is_spent=is_spent or threading.active_count() > threads)

    def _run(self, spec: AttemptSpec) -> Any:
        CURRENT_STEP.set(
            StepContext(
                self._link,
                run_id=spec.run_id,
                name=spec.name,
                key=spec.key,
                attempt=spec.attempt,
                automation=spec.automation,
                slot_at=spec.slot_at,
                saved=spec.checkpoint,
                payload_max=spec.payload_max,
            )
        )
        return call_to_end(spec.fn, spec.args, spec.kwargs)

    def _send_end(self, end: AttemptEnd, *, is_spent: bool) -> None:
        message = child_protocol.EndMessage(
            ok=end.ok,
            output=child_protocol.JSON_NULL if end.output is None else msgspec.Raw(end.output),
            failure=end.failure,
            verdict=end.verdict,
            refused=end.refused,
            error=None if end.error is None else describe_error(end.error),
            duration_us=end.duration_us,
            memory=_read_memory(),
            is_spent=is_spent,
        )
        try:
            self._link.send(message)
        except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, RecursionError, MainspringError) as error:
            # Data of the failure has no JSON form: send the failure without it.
            message.failure = end.failure and _as_text_only(end.failure, error)
            message.refused = end.refused and _as_text_only(end.refused, error)
            message.error = None
            self._link.send(message)


def _build_spec(call: child_protocol.CallMessage) -> AttemptSpec:
    """Return the spec of the attempt, with its function imported and its arguments decoded."""
    fn = load_callable(call.fn)
    signature = read_signature(fn, call.skip)
    args, kwargs = decode_call(signature, bytes(call.input), f"arguments of step {call.name!r}")
    return AttemptSpec(
        run_id=call.run_id,
        ident=call.ident,
        name=call.name,
        key=call.key,
        attempt=call.attempt,
        fn=fn,
        signature=signature,
        args=args,
        kwargs=kwargs,
        isolate=PROCESS,
        checkpoint=bytes(call.checkpoint) if call.has_checkpoint else None,
        slot_at=call.slot_at,
        automation=call.automation,
        payload_max=call.payload_max,
    )


def _as_text_only(failure: Failure, error: Exception) -> Failure:
    """Return a failure as text alone."""
    return Failure(
        type=escape(failure.type, _MAX_REASON),
        code=escape(failure.code, _MAX_REASON),
        message=escape(failure.message, _MAX_REASON),
        kind=failure.kind,
        hint=f"Its data was left out: {escape(str(error), _MAX_REASON)}",
        not_sent=failure.not_sent,
    )


def _elapsed_us(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000


def _read_memory() -> int:
    """Return the memory in use in bytes (the peak, on systems that report only that)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def _flush() -> None:
    """Flush prints to the pipes before the end is sent."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the user may have closed or replaced it
            stream.flush()


def _prepare_output() -> None:
    """Make prints line buffered, without errors for any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _read_hello(link: ChildChannel) -> Classifier:
    """Read the first message and apply it: path, environment and logging that the user's code expects."""
    messages: list[child_protocol.MessageToChild] = []
    while not messages:
        messages = link.read()
    hello = messages[0]
    if not isinstance(hello, child_protocol.HelloMessage):
        raise child_protocol.FrameError("the first message is not Hello")
    sys.path[:] = hello.path
    for name, value in hello.environ.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    SECRET_VARIABLES.allow(hello.passed)
    install_capture_in_child(hello.log_level)
    for message in messages[1:]:
        if isinstance(message, child_protocol.CallMessage):
            link.calls.put(message)
    rules: list[Callable[..., Any]] = [load_callable(rule) for rule in hello.rules]
    return Classifier(rules)


def main() -> None:
    """Serve calls until the worker ends."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    os.set_inheritable(descriptor, False)
    sys.argv[1:] = []
    _prepare_output()
    faulthandler.enable()  # the stack of a crash in a C library becomes log lines
    link = ChildChannel(socket.socket(fileno=descriptor))
    server = _ChildServer(link, _read_hello(link))
    threading.Thread(target=link.listen, name="mainspring-channel", daemon=True).start()
    while True:
        server.serve(link.calls.get())


if __name__ == "__main__":
    main()
