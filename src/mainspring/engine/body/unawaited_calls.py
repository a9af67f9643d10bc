"""The unawaited `run.*` calls of a body: `run.step(mail, 1)` without `await` does nothing.

Each call creates a coroutine and adds its place here; the coroutine removes it when it starts. The calls that remain
when the body has returned never happened: an error names their lines. A closed coroutine does not count:
code closes it on purpose.
"""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar

from mainspring.domain.errors import BodyError
from mainspring.engine.body.deterministic_loop import READ_ONLY

P = ParamSpec("P")
T = TypeVar("T")
caller_frame = sys._getframe  # noqa: SLF001 - inspect.currentframe takes no depth
_MAX_LISTED = 3
_PRUNED_FROM = 1_000
_HINT = (
    "Write `await` before it, or asyncio.create_task(...) around it to do something else in the "
    "meantime. If you do not need the coroutine, call its .close(). Then: mainspring runs retry RUN"
)


_CallEntry = tuple[Coroutine[Any, Any, Any], str, str, CodeType, int]
"""The coroutine, the verb, the name of the step or child, and code and instruction of the call. One per step, so a plain tuple."""


def _is_unawaited(call: _CallEntry) -> bool:
    return inspect.getcoroutinestate(call[0]) == inspect.CORO_CREATED


def _call_text(call: _CallEntry) -> str:
    """Return a call with its file, line and function."""
    _, verb, name, code, instruction = call
    lines = (line for begin, end, line in code.co_lines() if begin <= instruction < end)
    line = next(lines, None) or code.co_firstlineno
    call_text = f"run.{verb}({name}, ...)" if name else f"run.{verb}(...)"
    return f"{call_text} ({PurePath(code.co_filename).name}:{line} in {code.co_name})"


class UnawaitedCalls:
    """The unawaited calls of one body, in the order of the calls."""

    def __init__(self) -> None:
        self._calls: dict[int, _CallEntry] = {}
        self._last = 0
        self.refuse: Callable[[], None] | None = None
        """Raises if the current code may make no call."""
        self._pruned_at = _PRUNED_FROM

    def next_number(self) -> int:
        """Return the number of a new call; its coroutine passes it to `started`."""
        if self.refuse is not None:
            self.refuse()
        self._last += 1
        return self._last

    @contextlib.contextmanager
    def refused(self) -> Iterator[None]:
        """Refuse all calls within the context. Raises BodyError at each."""
        self.next_number = _refuse_call  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self.next_number

    def add(
        self, number: int, coroutine: Coroutine[Any, Any, T], verb: str, name: str, caller: FrameType
    ) -> Coroutine[Any, Any, T]:
        """Note a call of `run.verb(name, ...)`; `caller` is the frame that made it. Return the coroutine."""
        if len(self._calls) >= self._pruned_at:
            self._calls = {key: call for key, call in self._calls.items() if _is_unawaited(call)}
            self._pruned_at = max(_PRUNED_FROM, 2 * len(self._calls))
        self._calls[number] = (coroutine, verb, name, caller.f_code, caller.f_lasti)
        return coroutine

    def started(self, number: int) -> None:
        """Remove a call, because its coroutine starts."""
        self._calls.pop(number, None)

    def refuse_any(self) -> None:
        """Raise if a coroutine was never awaited and never closed.

        Raises:
            BodyError: it names each call and its line.
        """
        if not self._calls:
            return
        unawaited = [call for call in self._calls.values() if _is_unawaited(call)]
        self.close()
        if unawaited:
            named = ", ".join(map(_call_text, unawaited[:_MAX_LISTED]))
            more = f" and {len(unawaited) - _MAX_LISTED} more" if len(unawaited) > _MAX_LISTED else ""
            problem = "was never awaited, so it did not happen"
            raise BodyError(
                f"{named}{more} {problem}" if len(unawaited) == 1 else f"never awaited: {named}{more}", hint=_HINT
            )

    def close(self) -> None:
        """Close the remaining coroutines, so that Python does not warn of them as well."""
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if _is_unawaited(call):
                call[0].close()


def _refuse_call() -> NoReturn:
    raise BodyError(READ_ONLY)


def track_calls(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Track the calls of a coroutine method of a run; the coroutine keeps the method's name, which names branches."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        run: Any = args[0]
        calls: UnawaitedCalls = run._body.calls  # noqa: SLF001
        number = calls.next_number()
        coroutine: Any = _begin(calls, number, method, args, kwargs)
        coroutine.__name__, coroutine.__qualname__ = method.__name__, method.__qualname__
        return calls.add(number, coroutine, method.__name__, "", caller_frame(1))

    return call


async def _begin(
    calls: UnawaitedCalls, number: int, method: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any
) -> T:
    calls.started(number)
    return await method(*args, **kwargs)
