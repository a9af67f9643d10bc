"""Middleware around steps: each attempt is called through it, in the place where the step runs: loop, thread or child process.

Invariants: the function of a step is called at most once in an attempt; a middleware gets its result or its error, and an end that is no
`Exception` (a cancel, the end of a closed attempt) is never swallowed.
"""

import asyncio
from asyncio import events
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import CodeType, CoroutineType, MappingProxyType
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from mainspring.domain.errors import DefinitionError, MiddlewareError
from mainspring.domain.runs.run_headers import decode_headers
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.current_task import swap_current_task
from mainspring.engine.attempts.isolation import import_name_of, is_async, load_callable
from mainspring.engine.attempts.thread_attempt import call_to_end
from mainspring.resources.trace_baggage import attach_baggage

Proceed = Callable[[], Awaitable[Any]]

_INSTANCES: Final[WeakKeyDictionary[type, Any]] = WeakKeyDictionary()


class StepInvocation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of a step, as the middleware around it sees it.

    `attempt` = its number, from 1. `key` = the idempotency key. `args` and `kwargs` = the arguments; they cannot be replaced, because
    they are saved with the step. `headers` = those of the run.
    """

    run_id: str
    automation: str
    name: str
    attempt: int
    key: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    headers: Mapping[str, str]


class RegisteredMiddleware(NamedTuple):
    """A middleware: its class, the instance of this process, and the place of its declaration ("file:line").

    `code` = the code that declared it: a second import of the file compiles another one.
    """

    kind: type
    instance: Any
    where: str
    code: CodeType | None = None

    @property
    def import_name(self) -> str:
        """The name by which a child process finds the class. Raises DefinitionError."""
        try:
            return import_name_of(self.kind)
        except DefinitionError as error:
            raise DefinitionError(
                f"middleware {self.kind.__qualname__} cannot run in a child process\nin {self.where}",
                hint="Define its class at the top level of a module.",
            ) from error


def instance_of(kind: type) -> Any:
    """Return the instance of a middleware class: one in each process, made without arguments when it is first needed."""
    if kind not in _INSTANCES:
        _INSTANCES[kind] = kind()
    return _INSTANCES[kind]


def load_middleware(name: str) -> Any:
    """Return the instance of a class that is found by its import name; for a child process. Raises whatever its module raises."""
    kind: Any = load_callable(name)
    return instance_of(kind)


class ProceedOnce:
    """The inner part of a call: it can be called once, and remembers how it ended.

    `end` = what it raised, if that is no `Exception`: the end of a run or of an attempt, which no middleware can change.
    """

    __slots__ = ("_inner", "_is_over", "_owner", "_result", "_task", "end", "error", "was_called")

    def __init__(self, inner: Proceed, owner: str) -> None:
        self._inner = inner
        self._owner = owner
        self._result: Any = None
        self._is_over = False
        self._task: asyncio.Task[Any] | None = None
        self.was_called = False
        self.end: BaseException | None = None
        self.error: MiddlewareError | None = None

    async def __call__(self) -> Any:
        """Call the inner part and return its result. Raises whatever it raises; MiddlewareError at the second call."""
        if self.was_called:
            self.refuse()
        self.was_called = True
        self._task = asyncio.current_task()
        try:
            self._result = await self._inner()
        except Exception:
            raise
        except BaseException as end:
            self.end = end
            raise
        finally:
            self._is_over = True
        return self._result

    def find_end(self) -> BaseException | None:
        """Return the end that no middleware can change. A cancel of its own, such as that of `asyncio.timeout`, is none: it handled it."""
        if isinstance(self.end, asyncio.CancelledError):
            task = asyncio.current_task()
            return self.end if task is not None and task.cancelling() else None
        return self.end

    def refuse(self) -> None:
        """Refuse a second call. Raises MiddlewareError, or again the end of the first call."""
        if self.end is not None:
            raise self.end
        self.error = MiddlewareError(
            f"{self._owner} called proceed() twice",
            hint="Call it once: retry= repeats a step, and `mainspring runs retry` continues a run.",
        )
        raise self.error

    def check(self, result: Any) -> Any:
        """Return the result of the middleware. Raises MiddlewareError: it repeated the call, did not await it, or has lost the result."""
        if self.error is not None:
            raise self.error
        if self.was_called and not self._is_over:
            if self._task is not None:
                self._task.cancel()
            raise MiddlewareError(
                f"{self._owner} returned before proceed() had ended", hint="Write: return await proceed()"
            )
        if isinstance(result, CoroutineType):
            result.close()
            raise MiddlewareError(
                f"{self._owner} returned a coroutine instead of the result", hint="Write: return await proceed()"
            )
        if result is None and self._result is not None:
            raise MiddlewareError(
                f"{self._owner} returned None instead of the result",
                hint="Write: return await proceed(), or: result = await proceed() and later: return result",
            )
        return result


async def call_through(
    instances: Sequence[Any],
    method: str,
    invocation: object,
    innermost: Proceed,
    make_proceed: Callable[[Proceed, str], ProceedOnce] = ProceedOnce,
) -> Any:
    """Call `innermost` through the methods of some middleware: the first one is the outermost."""
    proceed = innermost
    for instance in reversed(instances):
        proceed = _make_layer(instance, method, invocation, proceed, make_proceed)
    return await proceed()


def _make_layer(
    instance: Any,
    method: str,
    invocation: object,
    inner: Proceed,
    make_proceed: Callable[[Proceed, str], ProceedOnce],
) -> Proceed:
    async def call_layer() -> Any:
        proceed = make_proceed(inner, f"middleware {type(instance).__name__}.{method}")
        try:
            result = await getattr(instance, method)(invocation, proceed)
        except BaseException:
            if (end := proceed.find_end()) is not None:
                raise end from None
            raise
        if (end := proceed.find_end()) is not None:
            raise end
        return proceed.check(result)

    return call_layer


async def call_surrounded(instances: Sequence[Any], spec: AttemptSpec) -> Any:
    """Call the function of an attempt through middleware, and with the baggage of its run; for the loop of the engine."""
    attach_baggage(spec.headers)
    return await (_call_step(instances, spec) if instances else spec.fn(*spec.args, **spec.kwargs))


def call_surrounded_to_end(instances: Sequence[Any], spec: AttemptSpec) -> Any:
    """Call the function of an attempt through middleware, and with the baggage of its run; outside of the engine's loop."""
    attach_baggage(spec.headers)
    return asyncio.run(_call_step(instances, spec)) if instances else call_to_end(spec.fn, spec.args, spec.kwargs)


async def _call_step(instances: Sequence[Any], spec: AttemptSpec) -> Any:
    """Call the function of an attempt through the middleware around steps, in the current loop. A plain function sees no loop."""
    invocation = StepInvocation(
        run_id=spec.run_id,
        automation=spec.automation,
        name=spec.name,
        attempt=spec.attempt,
        key=spec.key,
        args=spec.args,
        kwargs=MappingProxyType(spec.kwargs),
        headers=decode_headers(spec.headers),
    )

    async def call_function() -> Any:
        if is_async(spec.fn):
            return await spec.fn(*spec.args, **spec.kwargs)
        return _call_outside_loop(spec)

    return await call_through(instances, "around_step", invocation, call_function)


def _call_outside_loop(spec: AttemptSpec) -> Any:
    """Call a plain function as without middleware: no loop runs in its thread, so that it may run one of its own."""
    loop = events._get_running_loop()  # noqa: SLF001 - the public function raises without a loop
    assert loop is not None
    task = swap_current_task(loop, None)
    events._set_running_loop(None)  # noqa: SLF001
    try:
        return spec.fn(*spec.args, **spec.kwargs)
    finally:
        events._set_running_loop(loop)  # noqa: SLF001
        swap_current_task(loop, task)
