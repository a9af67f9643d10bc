"""`@ms.middleware`: a class whose methods are called around runs and around steps, declared like an automation."""

import inspect
import sys
from pathlib import Path
from types import CodeType
from typing import TypeVar

from mainspring.domain.errors import DefinitionError
from mainspring.engine.attempts.step_middleware import RegisteredMiddleware, instance_of
from mainspring.engine.definitions.registry import Registry, current_registry

T = TypeVar("T", bound=type)

METHODS = ("around_run", "around_step")
_HINT = "Write: async def around_step(self, step, proceed): return await proceed()"


def middleware(kind: T) -> T:
    """Call the methods of a class around every run and every step of this program; return the class.

    `async def around_run(self, run: ms.RunInvocation, proceed)` surrounds the function of a run, at its start and at every replay. It only
    reads: it calls no `run.*`, and starts no timer and no task. `async def around_step(self, step: ms.StepInvocation, proceed)`
    surrounds each attempt of a step, where the step runs: in the loop, a thread or a child process. Both get the result or the error of
    `await proceed()`, and return the result. The first declared class is the outermost.

    Each process makes one instance, without arguments.

    Raises:
        DefinitionError: not a class, without one of the methods, a method is not `async def` or takes others than these two arguments, or
            the class needs arguments. Also, if one line declares a second class, as in a function that is called twice.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the cheap way to the caller's place
    where = f"{_real_file(frame.f_code.co_filename)}:{frame.f_lineno}"
    return declare_middleware(kind, current_registry(), where, frame.f_code)


def declare_middleware(kind: T, registry: Registry, where: str, code: CodeType) -> T:
    """Add a middleware class to a registry, and return it; `code` = the code that declares it. Raises as `middleware`."""
    _check(kind, where)
    try:
        instance = instance_of(kind)
    except TypeError as error:
        raise DefinitionError(
            f"middleware {kind.__qualname__!r} cannot be made without arguments: {error}\nat {where}",
            hint="Read its settings in __init__, from the environment or a file: each child process makes it again.",
        ) from error
    registry.add_middleware(RegisteredMiddleware(kind, instance, where, code))
    return kind


def _check(kind: type, where: str) -> None:
    if not inspect.isclass(kind):
        raise DefinitionError(f"@middleware needs a class, got {kind!r}\nat {where}", hint=_HINT)
    found = [name for name in METHODS if hasattr(kind, name)]
    if not found:
        raise DefinitionError(
            f"middleware {kind.__qualname__!r} has neither around_run nor around_step\nat {where}", hint=_HINT
        )
    for name in found:
        if not inspect.iscoroutinefunction(getattr(kind, name)):
            raise DefinitionError(
                f"middleware {kind.__qualname__!r}: {name} is not `async def`\nat {where}",
                hint=_hint_of(name),
            )
        _check_parameters(kind, name, where)


def _check_parameters(kind: type, name: str, where: str) -> None:
    method = inspect.getattr_static(kind, name)
    given = (None, None) if isinstance(method, staticmethod | classmethod) else (None, None, None)
    try:
        inspect.signature(getattr(kind, name)).bind(*given)
    except TypeError as error:
        raise DefinitionError(
            f"middleware {kind.__qualname__!r}: {name} cannot be called with a call and proceed: {error}\nat {where}",
            hint=_hint_of(name),
        ) from None


def _hint_of(name: str) -> str:
    return f"Write: async def {name}(self, {name.removeprefix('around_')}, proceed): return await proceed()"


def _real_file(file: str) -> str:
    return file if file.startswith("<") else str(Path(file).resolve())
