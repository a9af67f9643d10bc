"""A run of a lab: its state, its steps, its result, and operations on it. Waiting for it moves the clock of the lab."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from mainspring.app.handle import Handle
from mainspring.app.run_queries import StepInfo
from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.runs.log_line import LogLine
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.insight.runs.stored_explanation import explain_run
from mainspring.store.read.runs.run_views import newest_of, run_view
from mainspring.testing.lab.lab_loop import LabError
from mainspring.testing.lab.lab_thread import LabThread

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Span = timedelta | str
_ENDS = (*TERMINAL_STATES, RunState.NEEDS_ATTENTION)


def read_span(value: Span, owner: str) -> int:
    """Return a span such as "3d" in microseconds. Raises OptionError: it is none, or not above 0."""
    span = parse_duration(value)
    if not span:
        raise OptionError(f"{owner}: {value!r} is no time: the clock of a lab only moves forward")
    return span // timedelta(microseconds=1)


class LabRun(Generic[T_co]):
    """Returned by `lab.start` and `lab.run`. `id` = the id of the run. `T_co` = the type of its result."""

    def __init__(self, thread: LabThread, handle: Handle[T_co]) -> None:
        self._thread = thread
        self._handle = handle
        self.id = handle.id

    def __repr__(self) -> str:
        return f"<run {self.id} of a lab>"

    async def until(self, state: RunState | str, *, within: Span = "30d") -> None:
        """Move the clock until the run has this state, such as "waiting"; all that is due until then happens.

        Raises:
            LabError: it has ended otherwise, or does not have this state within this time. The message says what it does instead.
            OptionError: there is no such state.
        """
        try:
            expected = RunState(state)
        except ValueError:
            raise OptionError(
                f"until({state!r}): there is no such state", hint=f"States: {', '.join(RunState)}."
            ) from None
        found = await self._reach((expected,), within)
        if found is not expected:
            raise LabError(f"run {self.id} is {found}, and not {expected}, after {within}\n{await self._describe()}")

    async def result(self, *, within: Span = "30d") -> T_co:
        """Move the clock until the run has ended, and return its result.

        Raises:
            RunFailed: it ended failed or cancelled, or needs attention.
            LabError: it has not ended within this time. The message says what it waits for.
        """
        found = await self._reach(_ENDS, within)
        if found not in _ENDS:
            raise LabError(f"run {self.id} has not ended after {within}: it is {found}\n{await self._describe()}")
        return await self._call(self._handle.result)

    async def state(self) -> RunState:
        """Return the state of the run; of a restarted run that of the run that continues it."""
        return await self._call(self._handle.status)

    async def steps(self) -> list[StepInfo]:
        """Return its steps, children and waits in the order of their requests."""
        return await self._call(self._handle.steps)

    async def logs(self) -> list[LogLine]:
        """Return the lines that it logged and printed, oldest first."""
        return await self._call(self._handle.logs)

    async def signal(self, name: str, value: Any = None) -> None:
        """Send it a message. Raises as `Handle.signal`."""
        await self._call(partial(self._handle.signal, name, value), until_idle=True)

    async def update(self, name: str, value: Any = None) -> Any:
        """Send it a request and return the reply. Raises as `Handle.update`."""
        return await self._call(lambda: self._handle.update(name, value), until_idle=True)

    async def query(self, name: str, value: Any = None) -> Any:
        """Ask its code about its state. Raises as `Handle.query`."""
        return await self._call(lambda: self._handle.query(name, value))

    async def answer(self, choice: object, *, question: str | None = None) -> None:
        """Answer its open question as a person. Raises as `App.answer`."""
        await self._call(lambda: self._thread.app.answer(self.id, choice, question=question), until_idle=True)

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel it. Raises as `App.cancel`."""
        await self._call(lambda: self._thread.app.cancel(self.id, reason=reason), until_idle=True)

    async def _reach(self, states: tuple[RunState, ...], within: Span) -> RunState:
        span_us = read_span(within, "within")
        reader = self._thread.app.open_store().reader

        def read() -> RunState:
            return run_view(reader, newest_of(reader, self.id)).state

        move = self._thread.move(span_us, lambda: (found := read()) in states or found in _ENDS)
        await asyncio.wrap_future(move)
        return await self.state()

    async def _describe(self) -> str:
        """Return what `mainspring explain` prints about the run."""

        async def read() -> str:
            reader, now = self._thread.app.open_store().reader, self._thread.loop.clock.now()
            explanation = explain_run(reader, await self._handle.history(), now, "UTC")
            parts = (("what", explanation.what), ("why", explanation.why), ("next", explanation.next))
            return "\n".join(
                f"  {name if not n else '':<5} {line}" for name, lines in parts for n, line in enumerate(lines)
            )

        return await self._call(read)

    async def _call(self, make: Callable[[], Coroutine[Any, Any, T]], *, until_idle: bool = False) -> T:
        return await asyncio.wrap_future(self._thread.call(make, until_idle=until_idle))
