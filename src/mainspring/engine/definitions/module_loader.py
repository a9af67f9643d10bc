"""The module loader: imports users' files and modules.

A file is imported under a name that depends only on its path, never as `__main__`, so that a child process or the
next start finds the same functions. A file inside a package is imported as part of it, so relative imports work.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, get_ident, main_thread
from types import FrameType, ModuleType
from typing import NamedTuple, NoReturn

from mainspring.domain.errors import DefinitionError, MainspringError
from mainspring.domain.text.escaping import escape
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.resources.known_secrets import KNOWN_SECRETS

FILE_ATTRIBUTE = "__mainspring_file__"
"""Attribute of a module that was loaded from a file: it can be loaded again from that file, not by its module name."""

_MAX_MESSAGE = 2_000
_SUFFIXES = (".py", ".toml")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_MIDDLEWARE = re.compile(r"^[ \t]*@(?:[A-Za-z_][\w.]*\.)?middleware[ \t]*(?:#.*)?$", re.MULTILINE)
"""A decorator without arguments: `@app.middleware("http")` is one of a web framework."""


class LoadTarget(NamedTuple):
    """One target to load: the argument of `load_module`, and the file if it is one."""

    text: str
    file: Path | None


def find_targets(targets: Iterable[str | Path], base_dir: Path) -> tuple[list[LoadTarget], list[LoadProblem]]:
    """Return `list_targets`, after adding `base_dir` to the import path."""
    if str(base_dir) not in sys.path:
        sys.path.insert(0, str(base_dir))
    return list_targets(targets, base_dir)


def list_targets(targets: Iterable[str | Path], base_dir: Path) -> tuple[list[LoadTarget], list[LoadProblem]]:
    """Return the targets of files, globs, folders and module names, each once, in the order given."""
    found: dict[str, LoadTarget] = {}
    problems: list[LoadProblem] = []
    for target in map(str, targets):
        files = list(_files_of(target, base_dir))
        if files:
            found.update({str(file): LoadTarget(str(file), file) for file in files})
        elif _DOTTED.fullmatch(target) and not target.endswith(_SUFFIXES):
            found[target] = LoadTarget(target, None)
        else:
            problems.append(
                LoadProblem(
                    where=str(base_dir / target),
                    what=f"{target!r} is not a file with automations, and matches none",
                    how="Name a .py or .toml file, a folder or pattern with such files, or a module such as jobs.daily.",
                )
            )
    return list(found.values()), problems


def load_module(target: str, *, before_executing: Callable[[str], object] = lambda file: None) -> ModuleType:
    """Return the module of a dotted name or a file; a loaded module is not loaded again.

    `before_executing` is called with the path of a file outside packages that is about to be executed.
    """
    path = Path(target)
    if path.suffix != ".py" and not path.is_file():
        return importlib.import_module(target)
    path = path.resolve()
    if (path.parent / "__init__.py").is_file():
        return _load_in_package(path)
    name = build_module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DefinitionError(f"{path} cannot be loaded", hint="Name a file that exists and ends in .py.")
    module = importlib.util.module_from_spec(spec)
    setattr(module, FILE_ATTRIBUTE, str(path))
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    before_executing(str(path))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def build_module_name(path: Path) -> str:
    """Return the stable name of a file outside packages: the same in each process, different for each path."""
    stem = re.sub(r"\W", "_", path.stem)
    return f"mainspring_file_{stem}_{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


@contextmanager
def distinguish_interrupts() -> Iterator[Callable[[BaseException], bool]]:
    """Yield a function that returns whether an exception is a Ctrl-C of the user, and not one that the user's code raised itself."""
    was_interrupted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal was_interrupted
        was_interrupted = True
        signal.default_int_handler(number, frame)

    watches = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if watches:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda error: was_interrupted and isinstance(error, KeyboardInterrupt)
    finally:
        if watches and signal.getsignal(signal.SIGINT) is note:  # otherwise the user's code has set its own handler
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def trap_os_exit() -> Iterator[None]:
    """Let `os._exit` raise while users' code is loaded: it would end this process without a trace. Forked processes keep it."""
    real, loading = os._exit, (os.getpid(), get_ident())

    def refuse(status: int) -> NoReturn:
        if (os.getpid(), get_ident()) == loading:
            raise SystemExit(f"os._exit({status}) would end the process that loads this file")
        real(status)

    os._exit = refuse
    try:
        yield
    finally:
        if os._exit is refuse:
            os._exit = real


def declares_middleware(target: LoadTarget, error: BaseException) -> bool:
    """Return whether what does not load has a decorator `middleware`: the target, or a file of the import that raised the error.

    The text counts, which need not be valid Python.
    """
    files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)} - {__file__}
    files |= {str(target.file or ""), str(error.filename or "") if isinstance(error, SyntaxError) else ""}
    return any(_MIDDLEWARE.search(_read_text(file)) for file in files if file.endswith(".py"))


def _read_text(file: str) -> str:
    try:
        return Path(file).read_text("utf-8", "replace")
    except OSError:
        return ""


def describe_import_error(target: LoadTarget, error: BaseException) -> LoadProblem:
    """Return the problem of a file or module that failed to import."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if target.file is not None and frame.filename == str(target.file)]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else target.text
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    if isinstance(error, MainspringError):
        hint = (error.hint or "Fix this line").rstrip(".")
        fix = f"{hint}. Until then no automation of the file loads."
        return LoadProblem(where=where, what=_printable(error.message), how=fix, target=target.text)
    fix = "Fix the file. Its other automations are not loaded until then."
    if isinstance(error, ModuleNotFoundError) and error.name:
        fix = f"Install {error.name.partition('.')[0]!r} beside mainspring, or fix the import."
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        fix = "Put the code that ends the program under: if __name__ == '__main__'."
    message = _message_of(error)
    description = f"failed to load: {type(error).__name__}{': ' if message else ''}{message}"
    return LoadProblem(where=where, what=description, how=fix, target=target.text)


def describe_declaration_error(where: str, name: str, error: MainspringError) -> LoadProblem:
    """Return the problem of one declaration."""
    return LoadProblem(
        where=where, what=_printable(error.message), how=error.hint or "Fix this declaration.", automation=name
    )


def _message_of(error: BaseException) -> str:
    try:
        return _printable(str(error))
    except Exception:  # noqa: BLE001 - the text of a user's exception may fail
        return "it cannot be printed"


def _printable(text: str) -> str:
    """Return text that may be stored and shown, without secrets: an exception of a module may contain credentials."""
    return escape(KNOWN_SECRETS.redact(text), _MAX_MESSAGE)


def _files_of(target: str, base_dir: Path) -> Iterator[Path]:
    """Yield the files of a path or pattern."""
    path = base_dir / Path(target).expanduser()
    if path.is_file():
        yield path.resolve()
    elif path.is_dir() and not _is_package(path):
        yield from _list_loadable(path.iterdir())
    elif any(sign in target for sign in "*?["):
        anchor = Path(path.anchor)
        yield from _list_loadable(anchor.glob(str(path.relative_to(anchor))))


def _list_loadable(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files with automations in a fixed order; names that begin with "_" or "." are private."""
    for path in sorted(paths):
        if path.suffix in _SUFFIXES and path.is_file() and not path.name.startswith(("_", ".")):
            yield path.resolve()


def _is_package(folder: Path) -> bool:
    """Return whether a folder is a package: it is imported, not searched."""
    return (folder / "__init__.py").is_file()


def _load_in_package(path: Path) -> ModuleType:
    """Import a file as a module of its package."""
    parts = [path.stem] if path.stem != "__init__" else []
    folder = path.parent
    while _is_package(folder):
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(".".join(parts))
