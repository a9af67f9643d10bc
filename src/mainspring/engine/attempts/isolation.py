"""Isolation of a step: in the engine's loop, in a thread, or in a child process; and the names by which a child imports it.

Invariant: only names and data are sent to a child. A function without a name that another process could import is rejected
when the step is called, with a hint how to fix it.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from mainspring.domain.errors import DefinitionError
from mainspring.engine.attempts.context_flags import IMPORTING_FOR_RUN

LOOP, THREAD, PROCESS = "loop", "thread", "process"
LIMITS = ("timeout", "heartbeat")
"""The options that end an attempt."""
MAIN_ALIAS = "__mainspring_main__"
_MOVE_HINT = (
    "Move it, or the object of a method, to the top level of a module under a name of its own, "
    "or use isolate='thread' (then a time-out cannot stop it)."
)


def is_async(fn: Callable[..., Any]) -> bool:
    """Return whether calling `fn` gives a coroutine."""
    try:
        return _cached_is_async(fn)
    except TypeError:  # not hashable: it cannot be cached
        return _is_async(fn)


def _is_async(fn: Callable[..., Any]) -> bool:
    inner = unwrap_function(fn)
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(type(inner), "__call__", None))  # noqa: B004


_cached_is_async = functools.lru_cache(maxsize=4096)(_is_async)


def choose_isolation(fn: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Return "loop", "thread" or "process" for a step with these options (`isolate`, `timeout` and `heartbeat` count).

    An `async def` runs in the loop, a `def` in a child if it has a time-out or a heartbeat, so that these really stop it, else in
    a thread. A stated `isolate` wins.

    Raises:
        DefinitionError: a `def` should run in the loop, which it would block; or it cannot run in a child.
    """
    isolation = options.get("isolate")
    if isolation == LOOP and not is_async(fn):
        raise DefinitionError(
            f"step {_display_name(fn)} is a plain function and cannot run in the loop",
            hint="Use isolate='thread' or 'process', or make it async def.",
        )
    if isolation is None:
        has_limit = any(options.get(name) is not None for name in LIMITS)
        isolation = LOOP if is_async(fn) else PROCESS if has_limit else THREAD
    if isolation == PROCESS:
        import_name_of(fn)
    return str(isolation)


def unwrap_function(fn: Any) -> Any:
    """Return the user's own function of a decorated step."""
    while type(fn).__module__.startswith("mainspring.") and callable(getattr(fn, "fn", None)):
        fn = fn.fn
    return fn


def name_undo(undo: Callable[..., Any]) -> str:
    """Return the import name of an undo; for a local function only a readable name."""
    with contextlib.suppress(DefinitionError):
        return import_name_of(getattr(undo, "fn", undo))
    return f"{getattr(undo, '__module__', '?')}:{getattr(undo, '__qualname__', repr(undo))}"


def import_name_of(fn: Callable[..., Any]) -> str:
    """Return the name by which a child process finds `fn`: "module:qualname" or "module@/path/file.py:qualname".

    Raises:
        DefinitionError: no other process could find it.
    """
    inner = unwrap_function(fn)
    if inspect.ismethod(inner) and not inspect.isclass(inner.__self__):
        return _importable_method(fn, inner)
    qualname, module = getattr(inner, "__qualname__", None), getattr(inner, "__module__", None)
    if not isinstance(qualname, str) or not isinstance(module, str):
        raise _not_importable_error(fn, "an object without its own name (a partial or an instance)")
    if "<lambda>" in qualname:
        raise _not_importable_error(fn, "a lambda")
    if "<locals>" in qualname:
        raise _not_importable_error(fn, "defined inside another function")
    found = _resolve_name(sys.modules.get(module), qualname)
    if found is None or unwrap_function(found) != inner:
        raise _not_importable_error(fn, f"not what {module}.{qualname} is now")
    return f"{_module_name(fn, module)}:{qualname}"


def _importable_method(fn: Callable[..., Any], method: MethodType) -> str:
    """Return the name of a bound method: the name of its object in a module, and its own."""
    for module, name in _modules_with(method.__self__):
        reference = f"{name}.{method.__name__}"
        if _resolve_name(sys.modules[module], reference) == method:
            return f"{_module_name(fn, module)}:{reference}"
    raise _not_importable_error(fn, "a method of an object that no module holds under a name of its own")


def _modules_with(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the modules that hold an object, with its name there; the module of its class first."""
    home = type(value).__module__
    for module in (home, *(name for name in list(sys.modules) if name != home)):
        for name, found in list(getattr(sys.modules.get(module), "__dict__", {}).items()):
            if found is value and name.isidentifier():
                yield module, name


def load_callable(ref: str) -> Callable[..., Any]:
    """Return the user's function of this name, without decoration; for the child.

    Raises:
        ImportError: the module has no such name. And whatever the module raises.
    """
    fn: Callable[..., Any] = unwrap_function(_load(ref))
    return fn


def _load(ref: str) -> Any:
    place, _, qualname = ref.rpartition(":")
    name, _, file = place.partition("@")
    token = IMPORTING_FOR_RUN.set(True)
    try:
        module = _load_file(name, file) if file else importlib.import_module(name)
    finally:
        IMPORTING_FOR_RUN.reset(token)
    found = _resolve_name(module, qualname)
    if found is None:
        raise ImportError(f"{name} has no {qualname}: was its file changed since the worker started?")
    return found


def load_in_engine(ref: str) -> Callable[..., Any]:
    """Return the user's function of this name in the engine's own process, whose main file must not run again.

    Raises:
        ImportError: the module has no such name. And whatever the module raises.
    """
    fn: Callable[..., Any] = unwrap_function(load_decorated(ref))
    return fn


def load_decorated(ref: str) -> Any:
    """Return the object of this name in the engine's own process, with decoration.

    Raises:
        ImportError: the module has no such name. And whatever the module raises.
    """
    place, _, qualname = ref.rpartition(":")
    name, _, file = place.partition("@")
    if name == MAIN_ALIAS and _is_main(file):
        found = _resolve_name(sys.modules["__main__"], qualname)
        if found is not None:
            return found
    return _load(ref)


def _module_name(fn: Callable[..., Any], name: str) -> str:
    """Return the import name of a loaded module, with its file if the name alone would not find it."""
    module = sys.modules[name]
    spec = getattr(module, "__spec__", None)
    if name == "__main__" and spec is not None and spec.name != "__main__":
        return str(spec.name)  # started with python -m
    file = getattr(module, "__file__", None)
    if name == "__main__":
        if file is None:
            raise _not_importable_error(fn, "typed into a prompt, so no file holds it")
        return f"{MAIN_ALIAS}@{Path(file).resolve()}"
    if file is None or _is_importable(name, file):
        return name
    return f"{name}@{Path(file).resolve()}"


@functools.lru_cache(maxsize=1024)
def _is_importable(name: str, file: str) -> bool:
    """Return whether a plain import of the name would load this file."""
    try:
        # Not the loaded module's own spec: it shows only how the module was loaded here.
        parent, _, _ = name.rpartition(".")
        path = sys.modules[parent].__path__ if parent else None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path)
            if spec is not None:
                return spec.origin is not None and Path(spec.origin).resolve() == Path(file).resolve()
    except (ImportError, KeyError, AttributeError):
        return False
    return False


def _is_main(file: str) -> bool:
    """Return whether this process was started with the file, which then must not run a second time."""
    started = getattr(sys.modules.get("__main__"), "__file__", None)
    return started is not None and Path(started).resolve() == Path(file)


def _load_file(name: str, file: str) -> ModuleType:
    """Import a file under the name, once."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: data classes need their module there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _resolve_name(module: ModuleType | None, qualname: str) -> Any:
    """Return the object of a dotted name in a module; None if there is none."""
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _display_name(fn: Any) -> str:
    """Return the name of a function as its author knows it."""
    inner = unwrap_function(fn)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{getattr(inner, '__module__', '?')}.{name}"


def _not_importable_error(fn: Callable[..., Any], reason: str) -> DefinitionError:
    return DefinitionError(f"step {_display_name(fn)} cannot run in a child process: it is {reason}", hint=_MOVE_HINT)
