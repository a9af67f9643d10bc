"""Cases of the contract of an action: `main` of this module, a process of its own, runs each line's cases at once, in forked processes.

Role: one warm parent has imported the action; a case costs a fork and not a start of Python. Each case continues the run of its key in
the store, or starts it, with a disturbance at its place. Invariant: the parent has no thread and opens no store, so that a fork is safe.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from types import FrameType
from typing import Any, Literal, NoReturn

import msgspec

from mainspring.app.application import App
from mainspring.domain.errors import NotSent, Permanent
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.engine.attempts.isolation import load_callable, load_decorated
from mainspring.engine.body.run import Run
from mainspring.engine.definitions.decorators import workflow
from mainspring.store import failpoints
from mainspring.store.write.command_handlers import HANDLERS

LINE, RETURN = "line:", "return"
_LONGEST_END_S = 10.0


class ContractCase(msgspec.Struct):
    """One case: a run of the action (a name to import) with its arguments; `key` is the key of the run.

    `place` = where something happens, `happens` = what. A place is a failpoint, "line:N" (before the Nth line of the action's
    function) or "return" (at its end). `lines_of` = the function whose lines count, if it is another one. `counts_lines` = return how many
    lines ran.
    """

    store: str
    action: str
    key: str
    args: list[Any]
    place: str | None = None
    happens: Literal["kill", "cancel", "permanent", "transient"] = "kill"
    lines_of: str | None = None
    counts_lines: bool = False

    @property
    def follows_calls(self) -> bool:
        """Whether calls of the function are to be followed, which makes the whole process slower."""
        place = self.place or ""
        return self.counts_lines or self.happens == "cancel" or place == RETURN or place.startswith(LINE)


class CaseEnd(msgspec.Struct):
    """The end of a case: `state` of the run, None if the process was killed; `reason` and `failure` of a run that did not succeed."""

    state: str | None = None
    reason: str | None = None
    failure: str | None = None
    lines: int = 0
    """How many lines of the action's function ran, if the case counts them or something happens at one of them."""
    failpoints: list[str] = []
    """The failpoints that it passed."""
    is_disturbed: bool = False
    """Whether it passed the place of the case."""


class _Disturbance:
    """Disturbs the run of a case once, at its place, and counts the lines of the action's function in all threads."""

    def __init__(self, case: ContractCase, code: object) -> None:
        self._code = code
        self._follows_calls = case.follows_calls
        self._place = case.place
        self._happens = case.happens
        self.lines = 0
        self.failpoints: set[str] = set()
        self.is_done = False
        self.cancel: Callable[[], None] = lambda: None
        self._calls = 0
        self._call_ended = threading.Condition()

    def install(self) -> None:
        """Follow the failpoints, and the calls in this thread and in all that start later."""
        failpoints.install(self._pass_failpoint)
        if self._follows_calls:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        """Trace function of Python: follow only the function. An error that it raises is raised by the traced line."""
        if frame.f_code is not self._code:
            return None
        try:
            if event == "call":
                self._count_call(1)
            elif event == "line":
                self.lines += 1
                self._pass(f"{LINE}{self.lines}")
            elif event == "return":
                self._pass(RETURN)
                self._count_call(-1)
        except BaseException:
            self._count_call(-1)  # Python traces this thread no longer
            raise
        return self._trace

    def _count_call(self, change: int) -> None:
        with self._call_ended:
            self._calls += change
            self._call_ended.notify_all()

    def wait_for_calls(self) -> None:
        """Wait until no thread is in the function: a cancelled one removes its temporary files after the end of its run."""
        with self._call_ended:
            self._call_ended.wait_for(lambda: self._calls <= 0, _LONGEST_END_S)

    def _pass_failpoint(self, place: str) -> None:
        self.failpoints.add(place)
        self._pass(place)

    def _pass(self, place: str) -> None:
        if place != self._place:
            return
        self._place = None
        self.is_done = True
        if self._happens == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._happens == "cancel":
            self.cancel()
        elif self._happens == "permanent":
            raise Permanent("the target says no, as ordered")
        else:
            raise NotSent("the target is away, as ordered")


async def _run(case: ContractCase, disturbance: _Disturbance) -> CaseEnd:
    action = load_decorated(case.action)

    @workflow(name="case")
    async def run_case(run: Run, args: list[Any]) -> None:
        await run.options(retry=Retry(attempts=3, initial=timedelta(0))).step(action, *args)

    app = App(case.store)
    async with app.running():
        handle = await app.options(key=case.key).start(run_case, case.args)
        loop = asyncio.get_running_loop()
        disturbance.cancel = lambda: _cancel_and_wait(loop, app.cancel(handle.id))
        failure = None
        try:
            await handle.result()
        except RunFailed as error:
            failure = str(error)
        view = await handle.view()
    return CaseEnd(
        view.state.value,
        view.reason,
        failure,
        disturbance.lines,
        sorted(disturbance.failpoints),
        is_disturbed=disturbance.is_done,
    )


def _cancel_and_wait(loop: asyncio.AbstractEventLoop, cancelling: Coroutine[Any, Any, object]) -> None:
    """Cancel the run from the thread of its action; in the loop's own thread the cancel comes with the next await."""
    if threading.current_thread() is threading.main_thread():
        _TASKS.add(loop.create_task(cancelling))
    else:
        asyncio.run_coroutine_threadsafe(cancelling, loop).result()


_TASKS: set[asyncio.Task[Any]] = set()
"""Running cancels: the loop itself holds its tasks only weakly."""


def run_case_here(case: ContractCase) -> CaseEnd:
    """Run a case in this process."""
    fn: Any = load_callable(case.lines_of or case.action)
    disturbance = _Disturbance(case, getattr(fn, "__wrapped__", fn).__code__)
    disturbance.install()
    end = asyncio.run(_run(case, disturbance))
    disturbance.wait_for_calls()
    return end


class _ForkedCase:
    """A case in a forked process."""

    def __init__(self, case: ContractCase) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reading)
            _run_and_exit(case, writing)
        os.close(writing)
        self._reading = reading

    def wait(self) -> CaseEnd:
        """Return its end."""
        with os.fdopen(self._reading, "rb") as file:
            data = file.read()
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if code == -signal.SIGKILL:
            return CaseEnd(is_disturbed=True)
        if code != 0 or not data:
            return CaseEnd("error", failure=f"its process ended with exit code {code}")
        return msgspec.json.decode(data, type=CaseEnd)


def _run_and_exit(case: ContractCase, writing: int) -> NoReturn:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the output of the action is no end of a case
    try:
        end = run_case_here(case)
    except BaseException as error:  # noqa: BLE001 - any error is the end of the case
        end = CaseEnd("error", failure=f"{type(error).__name__}: {error}")
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(writing, msgspec.json.encode(end))
    os._exit(0)


def _serve(line: bytes) -> None:
    """Run the cases of a line at once, and write their ends."""
    cases = msgspec.json.decode(line, type=list[ContractCase])
    for case in cases:
        load_decorated(case.action)
    forked_cases = [_ForkedCase(case) for case in cases]
    sys.stdout.buffer.write(msgspec.json.encode([case.wait() for case in forked_cases]) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Serve cases until the end of the input."""
    HANDLERS.load_all()  # once here, and not in the process of each case
    for line in sys.stdin.buffer:
        _serve(line)
