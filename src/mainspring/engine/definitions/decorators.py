"""The decorators `task`, `workflow` and `step`, and `script`: they turn functions and commands into automations and steps.

Each checks its options at once, builds the definition, and adds the automation to the current registry
(see `registry.py`). All that depends on annotations is checked when the definition is first read.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Concatenate, Literal, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import parse_definition_options, parse_options
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import DefinitionError, MainspringError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.incidents.runbook import extract_runbook
from mainspring.engine.attempts.isolation import LIMITS, is_async
from mainspring.engine.definitions.automation import Automation, BrokenAutomation, Script, Step, Task, Workflow
from mainspring.engine.definitions.calendars import find_calendar
from mainspring.engine.definitions.command_definition import build_command_definition
from mainspring.engine.definitions.default_options import apply_default_options, default_retry
from mainspring.engine.definitions.module_loader import FILE_ATTRIBUTE
from mainspring.engine.definitions.on import take_starts
from mainspring.engine.definitions.registry import current_registry
from mainspring.engine.definitions.step_plan import refuse_useless_overlap
from mainspring.engine.definitions.trigger_draft import TriggerDraft

A = TypeVar("A", bound=Automation)
P = ParamSpec("P")
R = TypeVar("R")

Off = Literal[False, "off"]


class AutomationOptions(TypedDict, total=False):
    """The options of `script`, `task` and `workflow`; DESIGN describes each.

    Invariant: the names are those of the table; a test compares them. Only the table decides which values are valid.
    """

    title: str
    owner: str
    team: str
    tags: Mapping[str, str] | Sequence[str] | str
    tier: Literal["page", "notify", "digest"]
    runbook: str
    was: str | Sequence[str]
    gone: str | Sequence[str]
    cron: str | Sequence[str]
    every: SpanInput
    at: str | Sequence[str]
    tz: str
    calendar: str
    jitter: SpanInput
    misfire: str
    overlap: Literal["skip", "queue", "replace", "allow"]
    queue: str
    priority: int
    partition: str
    concurrency: int
    per: str
    cancel_in_progress: bool
    rate: str
    throttle: str
    debounce: SpanInput
    debounce_within: SpanInput
    version: int
    rollout: bool
    rollout_by: str
    tag: str
    timeout: SpanInput
    heartbeat: SpanInput
    overlap_attempts: bool
    deadline: SpanInput
    retry: Retry | int | Mapping[str, Any]
    secrets: str | Sequence[str]
    key: str
    delivery: Literal["at_least_once", "at_most_once", "transactional"]
    isolate: Literal["thread", "process"]
    on_failure: Literal["keep", "undo"]
    on_cancel: Literal["keep", "undo"]
    cleanup: SpanInput
    on_deadline: Literal["keep", "undo"]
    on_blocked: Literal["hold", "pass"]
    produces: str | Sequence[str]
    expect: Mapping[str, Any]
    silence: SpanInput | Off
    grace: SpanInput
    slow: SpanInput | Off
    fail_rate: float | str | Off
    healthy: Literal["item", "automation", "rate"]
    item: str
    backlog: int | Off
    stalled: SpanInput | Off


class NamedOptions(AutomationOptions, total=False):
    """The options of `task` and `workflow`: the name may differ from the function's."""

    name: str


class CommandOptions(AutomationOptions, total=False):
    """The options of `script`: folder and environment of the command."""

    cwd: str
    env: Mapping[str, str]


class StepOptions(TypedDict, total=False):
    """The options of `step`; `run.options` has the same and more."""

    key: str
    timeout: SpanInput
    heartbeat: SpanInput
    overlap_attempts: bool
    retry: Retry | int | Mapping[str, Any]
    undo: Callable[..., Any]
    name: str
    delivery: Literal["at_least_once", "at_most_once", "transactional"]
    isolate: Literal["thread", "process"]
    queue: str
    tag: str
    was: str | Sequence[str]


def script(name: str, command: str | list[str], **options: Unpack[CommandOptions]) -> Script:
    """Make a command an automation. Relative paths in it count from the folder of the calling file, or from `cwd`.

    `command` = one text, split as a shell splits it but without a shell, or a list of words. `env` = variables for it. Exit code 0 is
    success, 75 is a temporary failure. The result is a record: exit code, last lines, duration.

    Raises:
        OptionError, UnknownNameError: the command or an option cannot be used.
        DefinitionError: another automation has this name.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the cheap way to the caller's place
    file, line = _real_file(frame.f_code.co_filename), frame.f_lineno

    def make() -> Script:
        draft = build_command_definition(DefinitionKind.SCRIPT, name, command, dict(options), file=file, line=line)
        return Script(draft, retry=_live_retry(options))

    return _register_declaration(
        Definition(kind=DefinitionKind.SCRIPT, name=str(name), file=file, line=line), None, make
    )


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[NamedOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function one durable step that can be started, scheduled and watched.

    The function is `def` or `async def`. Its arguments and its result are saved as JSON, typed by its annotations. A failed attempt is
    repeated as `retry` says. In a unit test, call the task like its function.

    Raises:
        OptionError, UnknownNameError: an option cannot be used.
        DefinitionError: not a plain function, or another automation has its name.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def make() -> Task[..., Any]:
            _require_function(fn, "task")
            draft, triggers = _build_draft(DefinitionKind.TASK, fn, options)
            if _is_isolated_by_timeout(fn, draft.options):
                draft = msgspec.structs.replace(draft, is_isolated_by_timeout=True)
            _log_child_process_hint("task", fn, draft.options)
            made = Task(draft, fn, _live_retry(options), triggers)
            refuse_useless_overlap(fn, made.plan, f"task {fn.__name__!r} at {_place_of_function(fn)}")
            return made

        return _register_declaration(_name_and_place(DefinitionKind.TASK, fn, options), fn, make)

    return decorate if fn is None else decorate(fn)


@overload
def workflow(fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
@overload
def workflow(
    **options: Unpack[NamedOptions],
) -> Callable[[Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]], Workflow[P, R]]: ...
def workflow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make an async function whose first parameter is the run a workflow.

    To resume a run, Mainspring calls the function again, and each step that already finished returns its saved result. So the body only
    decides: everything that reads or changes the world is a step. `asyncio.sleep`, `gather`, `timeout` and tasks are durable in it.

    Raises:
        OptionError, UnknownNameError: an option cannot be used.
        DefinitionError: not async, without the run, or another automation has its name.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def make() -> Workflow[..., Any]:
            _require_function(fn, "workflow")
            _require_body(fn)
            draft, triggers = _build_draft(DefinitionKind.WORKFLOW, fn, options)
            return Workflow(draft, fn, _live_retry(options), triggers)

        return _register_declaration(_name_and_place(DefinitionKind.WORKFLOW, fn, options), fn, make)

    return decorate if fn is None else decorate(fn)


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**options: Unpack[StepOptions]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Give a function options that hold wherever `run.step` is called with it. Options of `run.options` take precedence.

    A function needs no decorator to be a step. In a unit test, call the step like its function; in a workflow body, a call without
    `run.step` raises OutsideStepError.

    Raises:
        OptionError, UnknownNameError: an option cannot be used.
        DefinitionError: not a plain function.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def make() -> Step[..., Any]:
            _require_function(fn, "step")
            parsed = parse_options(DefinitionKind.STEP, options, f"step {fn.__name__!r} at {_place_of_function(fn)}")
            _log_child_process_hint("step", fn, parsed)
            return Step(fn, parsed, _live_retry(options), options.get("undo"))

        return declare_step(fn, make)

    return decorate if fn is None else decorate(fn)


def declare_step(fn: Callable[..., Any], make: Callable[[], Step[..., Any]]) -> Step[..., Any]:
    """Return the step of `make`. While files are loaded, an unusable one does not disable others.

    Raises:
        MainspringError: it cannot be used, and no file is being loaded.
    """
    registry = current_registry()
    try:
        return make()
    except MainspringError as error:
        if not registry.is_loading:
            raise
        broken = Step(fn, {})
        broken.error, broken.where = error, _place_of_function(fn)
        registry.report_step(broken)
        return broken


def _log_child_process_hint(kind: str, fn: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Add a hint that a plain function runs in a child process because of its time-outs, unless its author chose the isolation."""
    if not _is_isolated_by_timeout(fn, options):
        return
    limits = " or ".join(f"{name}=" for name in LIMITS if options.get(name) is not None)
    current_registry().hints.append(
        f"{kind} {fn.__name__!r} runs in a child process, because only there {limits} can stop a plain "
        "function: the state of its module (connections, caches, counters) is new there. "
        'isolate="process" confirms this; isolate="thread" keeps it in the worker, where a timeout '
        f"cannot stop it: its next attempt begins when its thread has ended. ({_place_of_function(fn)})"
    )


def _is_isolated_by_timeout(fn: Callable[..., Any], options: Mapping[str, Any]) -> bool:
    is_chosen = "isolate" in options or options.get("delivery") == "transactional"
    return any(options.get(name) is not None for name in LIMITS) and not is_chosen and not is_async(fn)


def _register_declaration(bare: Definition, fn: Callable[..., Any] | None, make: Callable[[], A]) -> A:
    """Return the automation of `make`, registered. While files are loaded, an unusable one does not disable others.

    Raises:
        MainspringError: it cannot be used, and no file is being loaded.
    """
    registry = current_registry()
    try:
        return registry.add(make())
    except MainspringError as error:
        if not registry.is_loading:
            raise
        broken = BrokenAutomation(bare, fn)
        registry.withdraw(broken, error)
        return cast("A", broken)


def _name_and_place(kind: DefinitionKind, fn: Any, options: Mapping[str, Any]) -> Definition:
    """Return a definition with name and place of a declaration, even if it decorates no function."""
    file, _, line = _place_of_function(fn).rpartition(":")
    name = options.get("name") or getattr(fn, "__name__", type(fn).__name__)
    return Definition(kind=kind, name=str(name), file=file, line=int(line))


def _build_draft(
    kind: DefinitionKind, fn: Callable[..., Any], options: Mapping[str, Any]
) -> tuple[Definition, list[TriggerDraft]]:
    """Return the definition of a function, without the part from its annotations, and its triggers."""
    where = f"{kind} {fn.__name__!r} at {_place_of_function(fn)}"
    parsed = apply_default_options(kind, parse_definition_options(kind, {"name": fn.__name__, **options}, where))
    name = parsed.pop("name")
    try:
        starts = take_starts(fn, name)
        schedules = build_schedules(parsed, name, starts.schedules, find_calendar(parsed.get("calendar")))
    except MainspringError as error:
        raise DefinitionError(f"{error.message}\nin {where}", hint=error.hint) from None
    doc = inspect.getdoc(fn) or ""
    definition = Definition(
        kind=kind,
        name=name,
        module=_module_of(fn),
        qualname=fn.__qualname__,
        version=parsed.pop("version", 1),
        options=parsed,
        schedules=schedules,
        fingerprint=_fingerprint(fn),
        doc=doc.partition("\n")[0],
        guide=extract_runbook(doc),
        file=_real_file(fn.__code__.co_filename),
        line=fn.__code__.co_firstlineno,
    )
    return definition, starts.triggers


def _require_function(fn: Any, kind: str) -> None:
    """Refuse an object that has no import name, or cannot be called without an instance."""
    if not inspect.isfunction(fn):
        raise DefinitionError(
            f"@{kind} needs a function, got {fn!r}", hint=f"Put @{kind} above a def at the top level of a module."
        )
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"{kind} {fn.__name__!r} is a generator\nat {_place_of_function(fn)}",
            hint="Return a list instead of using yield.",
        )
    owner = fn.__qualname__.rpartition("<locals>.")[2].rpartition(".")[0]
    first = next(iter(inspect.signature(fn).parameters), "")
    if owner and first in ("self", "cls"):
        raise DefinitionError(
            f"{kind} {fn.__name__!r} is a method of {owner}\nat {_place_of_function(fn)}",
            hint="Use a function of the module.",
        )


def _require_body(fn: Callable[..., Any]) -> None:
    """Refuse a workflow that is not async or lacks the run."""
    parameters = list(inspect.signature(fn).parameters.values())
    rest = f", {parameters[0].name}, ..." if parameters else ""
    if not inspect.iscoroutinefunction(fn):
        raise DefinitionError(
            f"workflow {fn.__name__!r} is not async\nat {_place_of_function(fn)}",
            hint=f"Write: async def {fn.__name__}(run: ms.Run, ...). For one durable step use @ms.task.",
        )
    if not parameters or not _is_run_parameter(parameters[0]):
        raise DefinitionError(
            f"workflow {fn.__name__!r} needs the run as its first parameter\nat {_place_of_function(fn)}",
            hint=f"Write: async def {fn.__name__}(run: ms.Run{rest}).",
        )


def _is_run_parameter(first: inspect.Parameter) -> bool:
    """Return whether a first parameter is for the run: named `run`, annotated with a Run, or without annotation."""
    if first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    note = first.annotation
    text = note if isinstance(note, str) else getattr(note, "__name__", "")
    return first.name in ("run", "_run", "_") or note in (first.empty, Any) or text.rpartition(".")[2] == "Run"


def _live_retry(options: Mapping[str, Any]) -> Retry | None:
    """Return the retry policy with its live wait and stop objects."""
    value = options.get("retry")
    if value is None:
        return default_retry()
    return Retry.parse(value)


def _module_of(fn: Callable[..., Any]) -> str:
    """Return the module name or file from which another process can load the function."""
    names = fn.__globals__
    if FILE_ATTRIBUTE in names:
        return str(names[FILE_ATTRIBUTE])
    if fn.__module__ == "__main__" and names.get("__file__"):
        return _real_file(str(names["__file__"]))
    return fn.__module__


def _fingerprint(fn: Callable[..., Any]) -> str:
    """Return the hash of the function's text, or of its code if there is no text."""
    try:
        content = inspect.getsource(fn).encode("utf-8", "surrogatepass")
    except (OSError, TypeError, SyntaxError):
        content = fn.__code__.co_code + repr(fn.__code__.co_names).encode()
    return hashlib.sha256(content).hexdigest()


def _place_of_function(fn: Any) -> str:
    """Return "file:line" of a function; of one that wraps another, as an action does, that of the other."""
    fn = inspect.unwrap(fn)
    if inspect.isfunction(fn):
        return f"{_real_file(fn.__code__.co_filename)}:{fn.__code__.co_firstlineno}"
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the cheap way to the declaration's place
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return "<unknown>:0" if frame is None else f"{_real_file(frame.f_code.co_filename)}:{frame.f_lineno}"


def _real_file(file: str) -> str:
    """Return the absolute path; names such as "<stdin>" are returned as they are."""
    return file if file.startswith("<") else str(Path(file).resolve())
