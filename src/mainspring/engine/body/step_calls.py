"""Calls of steps and children in a body: options first, then the function and its own arguments.

`run.step(fn, ...)` fixes the request's identity at the call and returns a real coroutine, which makes the request when
it is first awaited. Its result is what a replay reads: decode(encode(value)).
"""

import asyncio
import functools
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, Never, NoReturn, ParamSpec, Self, TypeVar, overload

from msgspec.structs import replace

from mainspring.domain.definitions.options import DefinitionKind, parse_options
from mainspring.domain.errors import DefinitionError, OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.saved_error import StepFailed
from mainspring.domain.option_errors import reject_unknown_options
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.domain.values.saved_call import decode_result, roundtrip_call
from mainspring.engine.body.child_runs import (
    StartedRun,
    build_child_call,
    build_spread_call,
    build_start_call,
    merge_headers,
    parse_close_policy,
    read_started_run,
)
from mainspring.engine.body.fan_out import Fan, ItemFailed
from mainspring.engine.body.identities import LibraryBranch
from mainspring.engine.body.request import ChildCall, Request, StepCall
from mainspring.engine.body.unawaited_calls import caller_frame
from mainspring.engine.definitions.automation import Automation, Step, Task, Workflow
from mainspring.engine.definitions.step_plan import StepPlan, read_limits, refuse_useless_overlap

if TYPE_CHECKING:
    from mainspring.engine.attempts.transaction import Tx
    from mainspring.engine.body.body import Body

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

_DEFAULT_PLAN = StepPlan()

_CHILD_HINTS = {
    "timeout": 'deadline= limits a whole run, waiting included: @ms.workflow(deadline="1h") where {0} is defined. '
    "Or asyncio.timeout(...) around the await: it cancels the child.",
    "heartbeat": "A child is no attempt: heartbeat= on its steps, or where {0} is defined if it is a task or script.",
    "overlap_attempts": "A child is no attempt: overlap_attempts= on its steps, or where {0} is defined if it is a task.",
    "delivery": "A child has its own delivery: delivery= where {0} is defined, or on its steps.",
    "isolate": "A child has its own isolation: isolate= where {0} is defined, or on its steps.",
}
_START_HINTS = {
    **{option: _CHILD_HINTS[option] for option in ("timeout", "heartbeat", "overlap_attempts", "delivery", "isolate")},
    "undo": "A rollback of this run does not stop or undo a run of its own. Write run.child({0}, ...) and await it.",
    "close": "A run of its own continues when this run ends. Write run.child({0}, ...): it ends with this run.",
}
_STEP_HINTS = {
    "close": "A step ends with the run that called it. close= is for run.child(...).",
    "run_key": "The key of a step is key=: run.options(key=...).step({0}, ...). run_key= is for run.child(...).",
    "headers": "A step has the headers of its run. headers= is for run.child(...) and run.start(...).",
}
_SPREAD_STEP_HINTS = {
    "undo": "With queue=, tag= or spread=True the step is its own run, which a rollback does not undo. Leave "
    "queue=, tag= and spread= out.",
    "run_key": _STEP_HINTS["run_key"],
    "headers": _STEP_HINTS["headers"],
}


class StepCaller:
    """Makes the requests of a body with a fixed plan."""

    def __init__(self, body: "Body", plan: StepPlan = _DEFAULT_PLAN, given: Collection[str] = ()) -> None:
        self._body = body
        self._plan = plan
        self._given = given
        """Names of the given options, with any values."""

    def options(
        self,
        *,
        key: str | None = None,
        timeout: Any = None,
        heartbeat: Any = None,
        overlap_attempts: bool | None = None,
        retry: Retry | int | Mapping[str, Any] | None = None,
        undo: Callable[..., Any] | None = None,
        name: str | None = None,
        delivery: Literal["at_least_once", "at_most_once", "transactional"] | None = None,
        isolate: Literal["thread", "process"] | None = None,
        queue: str | None = None,
        tag: str | None = None,
        run_key: str | None = None,
        close: Literal["cancel", "keep"] | None = None,
        was: str | Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        **unknown: Never,
    ) -> "StepCaller":
        """Return a caller with these options for its steps and children: `run.options(timeout="30s").step(...)`.

        `key` = identity of the step, for calls of one function in a loop. `timeout` = limit of an attempt. `retry` = attempts and waits.
        `undo(*args, result=)` = called by a rollback. `name` = instead of that of the function. `delivery` and `isolate`: as in the table
        of options. `queue` and `tag`: the step becomes a run of its own that another worker may take. `run_key` and `close` are for
        children. `was` = former names of the step. `headers` = texts by name for a child or a started run, over those of this run.

        Raises:
            OptionError: a value cannot be used. The call of a step or child raises it if an option does not apply to it.
            UnknownOptionError: there is no such option.
        """
        reject_unknown_options("run.options", StepCaller.options, unknown)
        values = {"key": key, "timeout": timeout, "name": name, "delivery": delivery}
        values |= {"heartbeat": heartbeat, "overlap_attempts": overlap_attempts}
        values |= {"isolate": isolate, "queue": queue, "tag": tag, "was": was}
        values = {option: value for option, value in values.items() if value is not None}
        parsed = parse_options(DefinitionKind.STEP, values, "run.options(...)")
        objects = {"retry": retry, "undo": undo, "run_key": run_key, "close": close, "headers": headers}
        given = {*self._given, *values, *(option for option, value in objects.items() if value is not None)}
        plan = _build_plan(
            parsed, retry if isinstance(retry, Retry) else Retry.parse(retry) if retry is not None else None, undo
        )
        policy = plan.close if close is None else parse_close_policy(close)
        plan = replace(plan, run_key=run_key, close=policy, headers=merge_headers(self._body.headers, headers))
        return StepCaller(self._body, self._plan.but(plan), given)

    @overload
    def step(
        self, fn: "Callable[Concatenate[Tx, P], Coroutine[Any, Any, T]]", *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(
        self, fn: "Callable[Concatenate[Tx, P], T]", *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(
        self, fn: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]: ...
    def step(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Request one durable step; await it for the function's result.

        `fn` is any function of a module, `def` or `async def`, with its own arguments. The step starts when its coroutine is awaited.
        Several run at once in `asyncio.gather`.

        Raises (at the call):
            ArgumentError, ValueRefusedError: the arguments do not fit the function, or cannot be saved.
            OptionError: an option of `run.options` does not apply to a step.

        Raises (when awaited):
            StepFailed: the last attempt failed.
        """
        live, signature, own = _resolve_step(fn)
        plan = own
        if self._plan is not _DEFAULT_PLAN:
            plan = own.but(self._plan)
            refuse_options_of_step(self._given, plan, live.__name__)
        refuse_useless_overlap(live, plan, f"step {live.__name__!r}")
        return self.step_with(live, signature, plan, args, kwargs)

    def library_branch(self, name: str, is_internal: Callable[[Any], bool]) -> LibraryBranch:
        """Open a branch for one call of a library; the arguments are those of `LibraryBranch`."""
        self._body.refuse_if_stopped()
        return LibraryBranch(self._body, name, is_internal)

    def library_step(self, branch: LibraryBranch, call: Callable[..., Any], *args: Any) -> Coroutine[Any, Any, Any]:
        """Request a step of a callable that a library made for this call alone, with a name from `options`.

        Unlike `run.step` it caches nothing, and a name that is used often is no hint of the run.
        """
        request = self.step_with(call, read_signature(call), self._plan, args, {}, branch)
        self._body.notes.hints.discard(f"{branch.branch}{self._plan.name}")
        return request

    def step_with(
        self,
        live: Callable[..., Any],
        signature: Signature,
        plan: StepPlan,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        branch: LibraryBranch | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Request a step whose function, signature and plan are known."""
        body = self._body
        body.refuse_if_stopped()
        if plan.delivery == "transactional":
            signature = read_signature(live, 1)
        name = plan.name or live.__name__
        ident = body.identities.of_step(name, plan.key, plan.was, branch)
        data, args, kwargs = roundtrip_call(signature, args, kwargs, name, limit=body.payload_max)
        if plan.queue is not None or plan.tag is not None:
            call: Any = build_spread_call(live, signature, data, plan)
            kind = OutcomeKind.CHILD
        else:
            call = StepCall(live, signature, args, kwargs, data, plan)
            kind = OutcomeKind.STEP
        decode = functools.partial(decode_result, signature, value_name=f"result of {name}")
        number = body.calls.next_number()
        coroutine = _outcome(body, number, kind, ident, name, call, decode)
        return body.calls.add(number, coroutine, "step", name, caller_frame(2))

    @overload
    def child(
        self, automation: "Task[Concatenate[Tx, P], T]", *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def child(
        self, automation: Workflow[P, T] | Task[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def child(self, automation: str, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]: ...
    def child(self, automation: Automation | str, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Request another automation as a child of this run; await it for its result.

        `automation` = a task, a workflow or a script, or its name. If this run fails, is cancelled, or no longer awaits the child, the
        child is cancelled. With `run.options(close="keep")` it continues.

        Raises (at the call):
            ArgumentError, ValueRefusedError: the arguments do not fit the automation, or cannot be saved.
            UnknownNameError: no automation of that name is loaded.
            OptionError: an option of `run.options` does not apply to a child.

        Raises (when awaited):
            StepFailed: the child ended without success.
        """
        body = self._body
        body.refuse_if_stopped()
        refuse_options_of_child(self._given, self._plan, automation)
        call, decode = build_child_call(automation, args, kwargs, self._plan, body.payload_max)
        name = self._plan.name or call.automation
        was = call.definition.options.get("was", ()) if call.definition is not None else ()
        ident = body.identities.of_step(name, self._plan.key, was=(*self._plan.was, *was))
        number = body.calls.next_number()
        coroutine = _outcome(body, number, OutcomeKind.CHILD, ident, name, call, decode)
        return body.calls.add(number, coroutine, "child", name, caller_frame(1))

    @overload
    def start(
        self, automation: "Task[Concatenate[Tx, P], Any]", *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, StartedRun]: ...
    @overload
    def start(
        self, automation: Workflow[P, Any] | Task[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, StartedRun]: ...
    @overload
    def start(self, automation: str, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, StartedRun]: ...
    def start(self, automation: Automation | str, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, StartedRun]:
        """Request another automation as a run of its own; await it for its id. This run waits for the start, not for the end.

        Raises (at the call):
            ArgumentError, ValueRefusedError: the arguments do not fit the automation, or cannot be saved.
            UnknownNameError: no automation of that name is loaded.
            OptionError: an option of `run.options` does not apply to a run of its own.

        Raises (when awaited):
            StepFailed: the run was refused.
        """
        body = self._body
        body.refuse_if_stopped()
        refuse_options_of_start(self._given, self._plan, automation)
        call = build_start_call(automation, args, kwargs, self._plan, body.payload_max)
        name = self._plan.name or call.definition.name
        ident = body.identities.of_step(
            name, self._plan.key, was=(*self._plan.was, *call.definition.options.get("was", ()))
        )
        number = body.calls.next_number()
        coroutine = _outcome(body, number, OutcomeKind.START, ident, name, call, read_started_run)
        return body.calls.add(number, coroutine, "start", name, caller_frame(1))

    @overload
    def map(
        self,
        fn: Callable[[Item], Coroutine[Any, Any, T]],
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["stop"] = ...,
        spread: bool = ...,
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def map(
        self,
        fn: Callable[[Item], T],
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["stop"] = ...,
        spread: bool = ...,
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def map(
        self,
        fn: Callable[[Item], Coroutine[Any, Any, T]],
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["collect"],
        spread: bool = ...,
    ) -> Coroutine[Any, Any, list[T | ItemFailed]]: ...
    @overload
    def map(
        self,
        fn: Callable[[Item], T],
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["collect"],
        spread: bool = ...,
    ) -> Coroutine[Any, Any, list[T | ItemFailed]]: ...
    @overload
    def map(
        self,
        fn: "Callable[[Tx, Item], T]",
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["stop"] = ...,
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def map(
        self,
        fn: "Callable[[Tx, Item], T]",
        items: Iterable[Item],
        *,
        concurrency: int = ...,
        on_error: Literal["collect"],
    ) -> Coroutine[Any, Any, list[T | ItemFailed]]: ...
    def map(
        self,
        fn: Callable[..., Any],
        items: Iterable[Any],
        *,
        concurrency: int = 20,
        on_error: Literal["stop", "collect"] = "stop",
        spread: bool = False,
        **unknown: Any,
    ) -> Coroutine[Any, Any, Any]:
        """Request one step per item, at most `concurrency` at a time; await it for the results in the order of the items.

        `fn` gets one item. `on_error="stop"`: the first failure cancels the rest and is raised. "collect": the result of a failed item is
        an `ItemFailed`. `spread`: each item is a child run that any worker may take.

        Raises (when awaited):
            ItemFailed: an item failed, with "stop". It is a StepFailed that names the item.
            ValueRefusedError: an item cannot be saved.
        """
        reject_unknown_options("run.map", StepCaller.map, unknown)
        body = self._body
        body.refuse_if_stopped()
        live, signature, own = _resolve_step(fn)
        plan = own.but(self._plan)
        refuse_options_of_step(self._given, plan, live.__name__, spread=spread)
        refuse_useless_overlap(live, plan, f"step {live.__name__!r}")
        if plan.delivery == "transactional":
            signature = read_signature(live, 1)
        name = plan.name or live.__name__
        fan = Fan(
            body,
            body.identities.of_step(name, plan.key, was=plan.was),
            name,
            live,
            signature,
            plan,
            items,
            concurrency,
            collect=on_error == "collect",
            spread=spread,
        )
        number = body.calls.next_number()
        return body.calls.add(number, fan.run(number), "map", name, caller_frame(1))

    def __copy__(self) -> Self:
        raise DefinitionError("a run cannot be copied: pass values to steps instead")


async def _outcome(
    body: "Body",
    number: int,
    kind: OutcomeKind,
    ident: str,
    name: str,
    call: Any,
    decode: Callable[[bytes], Any] | None,
) -> Any:
    """Make a request with this identity and await its outcome; `number` is that of the call."""
    body.calls.started(number)
    future = body.future()
    request = Request(kind, ident, name, call, decode, functools.partial(_settle, future, name))
    body.register(request)
    undo = call.plan.undo if isinstance(call, StepCall) else call.undo if isinstance(call, ChildCall) else None
    if undo is not None:
        body.undoable.append(request)
    try:
        return await future
    finally:
        if request.open:
            body.cancel_request(request)


def _settle(future: "asyncio.Future[Any]", name: str, value: Any, failure: Failure | None) -> None:
    if not future.done():
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(StepFailed(name, failure))


def _build_plan(options: Mapping[str, Any], retry: Retry | None, undo: Callable[..., Any] | None) -> StepPlan:
    return StepPlan(
        **read_limits(options),
        key=options.get("key"),
        retry=retry,
        undo=undo,
        name=options.get("name"),
        delivery=options.get("delivery", "at_least_once"),
        isolate=options.get("isolate"),
        queue=options.get("queue"),
        tag=options.get("tag"),
        was=tuple(options.get("was", ())),
    )


@functools.lru_cache(maxsize=4096)
def _resolve_step(fn: Any) -> tuple[Callable[..., Any], Signature, StepPlan]:
    """Return the live function, its signature and its plan."""
    if isinstance(fn, Automation | Step) and fn.error is not None:
        raise fn.error
    if isinstance(fn, Workflow):
        raise DefinitionError(f"{fn.name} is a workflow, not a step: write await run.child({fn.name}, ...)")
    if isinstance(fn, Step):
        return fn.fn, read_signature(fn.fn), _build_plan(fn.options, fn.retry, fn.undo)
    if isinstance(fn, Task):
        return fn.fn, read_signature(fn.fn), _build_plan(fn.definition.options, fn.retry, None)
    if not callable(fn):
        raise DefinitionError(
            f"run.step needs a function, got {type(fn).__name__}: write run.step(function, arguments), "
            "without calling it"
        )
    return fn, read_signature(fn), _DEFAULT_PLAN


def refuse_options_of_child(given: Collection[str], plan: "StepPlan", automation: "Automation | str") -> None:
    """Refuse options that do not apply to a child.

    Raises:
        OptionError: it names the option, and where to set it for the child.
    """
    _refuse_options_of_run(given, plan, automation, "child", _CHILD_HINTS)


def refuse_options_of_start(given: Collection[str], plan: "StepPlan", automation: "Automation | str") -> None:
    """Refuse options that do not apply to a run of its own. Raises as `refuse_options_of_child`."""
    _refuse_options_of_run(given, plan, automation, "start", _START_HINTS)


def _refuse_options_of_run(
    given: Collection[str], plan: "StepPlan", automation: "Automation | str", verb: str, hints: Mapping[str, str]
) -> None:
    name = str(getattr(automation, "name", automation))
    for option, fix in hints.items():
        if option in given:
            _refuse(option, f"run.{verb}({name}, ...)", fix.format(name))
    if plan.retry is not None and (plan.retry.wait or plan.retry.stop):
        fix = "The policy is stored with the run: use attempts=, initial= and max=."
        _refuse("retry", f"run.{verb}({name}, ...) with objects as wait= or stop=", fix)


def refuse_options_of_step(given: Collection[str], plan: "StepPlan", name: str, *, spread: bool = False) -> None:
    """Refuse options that do not apply to a step.

    Raises:
        OptionError: it names the option, and what to write instead.
    """
    if plan.retry is not None and plan.retry.restart:
        _refuse("retry", f"run.step({name}, ...) with restart=True", "It is for whole runs: run.child(...).")
    is_spread = spread or plan.queue is not None or plan.tag is not None
    if is_spread and "retry" in given and plan.retry is not None and (plan.retry.wait or plan.retry.stop):
        fix = f"Give the function its policy instead: @ms.step(retry=...) above {name}. Or use attempts=, initial= and max=."
        _refuse("retry", f"run.step({name}, ...), a run of its own, with objects as wait= or stop=", fix)
    for option, fix in (_SPREAD_STEP_HINTS if is_spread else _STEP_HINTS).items():
        if option in given or (option == "undo" and plan.undo is not None):
            _refuse(option, f"run.step({name}, ...)", fix.format(name))


def _refuse(option: str, call: str, hint: str) -> NoReturn:
    raise OptionError(f"run.options({option}=...) has no effect on {call}", hint=hint)
