"""Programs of runs: the coroutine that a body drives, built from a workflow, a task, a script or one spread step.

A task, a script and a spread step are bodies of one step, so that all four follow the same rules.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.runs.current_run import RUN_OF_BODY
from mainspring.domain.runs.fork_origin import read_counted_origin, read_fork_origin
from mainspring.domain.runs.journal import AttemptRecord, History, Outcome, OutcomeKind
from mainspring.domain.runs.output_size import measure_result
from mainspring.domain.states import OutcomeState
from mainspring.domain.triggers.trigger import EVENT_ARGUMENT
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.domain.values.saved_call import decode_call, encode_result, roundtrip_call
from mainspring.engine.attempts.isolation import load_decorated
from mainspring.engine.body.body import Body
from mainspring.engine.body.child_runs import STEP_RUN, read_step_run
from mainspring.engine.body.request import Request, Restarted, RolledBack, StepCall, Unloaded
from mainspring.engine.body.run import Run
from mainspring.engine.body.run_call import call_run, read_run_facts
from mainspring.engine.body.undo import EFFECT_KINDS, StepEffect, find_effects, undo_all, undo_each
from mainspring.engine.commands.command_result import read_output_bytes
from mainspring.engine.commands.command_step import bind_folder, run_command
from mainspring.engine.commands.output_file_check import expand_output_patterns, request_output_check
from mainspring.engine.commands.result_schema import ResultCheck, ResultNotExpected, build_result_check
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.step_plan import StepPlan, read_limits
from mainspring.store.commands.runs import ClaimedRun

_ENGINE_EXCEPTIONS = (RolledBack, Restarted, Unloaded, GeneratorExit)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Program:
    """The program of a run: `main(body)` is the coroutine, `retry` the default policy of its steps.

    `measure` returns how many bytes of output a result reports (None = unknown), if the definition promises no output files.
    `cleanup_ms` = how long the code may clean up after a cancel; None = it does not. `check` = what the definition expects of a result,
    which `main` checks at the end; None = nothing.
    `single()` returns the only step call of a body of one step; None for any other body.
    """

    main: Callable[[Body], Coroutine[Any, Any, Any]]
    encode_result: Callable[[Any], bytes]
    retry: Retry | None = None
    on_blocked: str = "hold"
    cleanup_ms: int | None = None
    undoes_on: frozenset[OutcomeKind] = frozenset()
    """The stops after which the steps are undone, unless a cancel decides otherwise."""
    automation: Automation | None = None
    single: Callable[[], StepCall] | None = None
    measure: Callable[[bytes], int | None] = measure_result
    check: ResultCheck | None = None
    headers: bytes | None = None
    """The headers of the run as JSON."""

    def fits(self, encoded: bytes | None) -> bool:
        """Return whether a result is what the definition expects."""
        try:
            if self.check is not None:
                self.check(encoded or b"null")
        except ResultNotExpected:
            return False
        return True


def build_program(run: ClaimedRun, registry: Registry, data: bytes, payload_max: int = DEFAULT_LIMIT) -> Program:
    """Return the program of a claimed run; `data` is its input as JSON bytes, `payload_max` the largest result in bytes.

    The headers of `run` are opened.

    Raises:
        UnknownNameError: no automation of that name is loaded here.
        DefinitionError: a spread step's function cannot be imported here.
        ValueRefusedError: the input does not fit the current annotations.
    """
    if run.kind == STEP_RUN:
        return _step_program(run, data, payload_max)
    automation = registry.get(run.automation, run.version)
    options = automation.definition.options
    if automation.definition.kind is DefinitionKind.WORKFLOW:
        return _workflow_program(run, registry, automation, data, payload_max)
    if automation.definition.kind is DefinitionKind.TASK:
        return _task_program(run, registry, automation, options, data, payload_max)
    return _script_program(run, registry, automation, options, data, payload_max)


def _workflow_program(
    run: ClaimedRun, registry: Registry, automation: Automation, data: bytes, payload_max: int
) -> Program:
    fn, signature, options = automation.fn, automation.signature, automation.definition.options
    assert fn is not None and signature is not None
    args, kwargs = decode_call(signature, data, f"input of {run.automation}")
    facts = read_run_facts(run)
    promised = expand_output_patterns(automation.definition, run, data)
    check = build_result_check(options.get("expect"))
    encode_value = _make_result_encoder(run, signature, payload_max)
    stops = {OutcomeKind.CANCEL: "on_cancel", OutcomeKind.DEADLINE: "on_deadline"}
    undoes_on = frozenset(kind for kind, option in stops.items() if options.get(option) == "undo")

    async def main(body: Body) -> Any:
        registry.take_over()  # a child that is given by name is one of those that were loaded together
        body_run = Run(body, facts, signature)
        RUN_OF_BODY.set(weakref.ref(body_run))
        try:

            def call() -> Coroutine[Any, Any, Any]:
                return run_to_end(fn(body_run, *args, **kwargs), body)

            result = await call_run(registry, body, facts, args, kwargs, call)
            if check is not None:
                check(encode_value(result))
            body.notes.reported_size = await request_output_check(body_run.step_with, promised, run.started_at)
            return result
        except _ENGINE_EXCEPTIONS:
            raise
        except asyncio.CancelledError:
            if body.stop.should_undo(undoes_on):
                await undo_all(body)
            raise
        except Exception:
            if options.get("on_failure") == "undo":
                await undo_all(body)
            raise

    cleanup = automation.definition.span("cleanup")
    assert cleanup is not None  # it has a default
    on_blocked = options.get("on_blocked", "hold")
    return Program(
        main,
        encode_value,
        automation.retry,
        on_blocked,
        to_milliseconds(cleanup),
        undoes_on,
        automation,
        check=check,
        headers=run.headers,
    )


def _task_program(
    run: ClaimedRun,
    registry: Registry,
    automation: Automation,
    options: Mapping[str, Any],
    data: bytes,
    payload_max: int,
) -> Program:
    fn, signature = automation.fn, automation.signature
    assert fn is not None and signature is not None
    args, kwargs = decode_call(signature, data, f"input of {run.automation}")
    promised = expand_output_patterns(automation.definition, run, data)
    on_blocked = options.get("on_blocked", "hold")
    check = build_result_check(options.get("expect"))
    return _single_step_program(
        run,
        registry,
        fn,
        signature,
        args,
        kwargs,
        automation.plan,
        automation,
        on_blocked,
        payload_max,
        promised,
        check,
    )


def _script_program(
    run: ClaimedRun,
    registry: Registry,
    automation: Automation,
    options: Mapping[str, Any],
    data: bytes,
    payload_max: int,
) -> Program:
    definition = automation.definition
    limits = read_limits(options)
    timeout, heartbeat = limits.get("timeout"), limits.get("heartbeat")
    kwargs: dict[str, Any] = {
        "command": list(definition.command or ()),
        "env": dict(definition.env or {}),
        "timeout_s": timeout.total_seconds() if timeout is not None else None,
        "produces": expand_output_patterns(definition, run, data),
    }
    plan = StepPlan(
        retry=automation.retry,
        delivery=options.get("delivery", "at_least_once"),
        isolate="thread",
        name=run.automation,
        has_end=timeout is not None or heartbeat is not None,
    )
    if heartbeat is not None:
        kwargs["heartbeat_s"] = heartbeat.total_seconds()
    if "expect" in options:
        kwargs["expect"] = options["expect"]
    if options.get("secrets"):
        kwargs["secrets"] = list(options["secrets"])
    event = msgspec.json.decode(data).get(EVENT_ARGUMENT) if definition.triggers else None
    if event is not None:
        kwargs["stdin"] = msgspec.json.encode(event).decode() + "\n"
    signature = read_signature(run_command)
    on_blocked = options.get("on_blocked", "hold")
    program = _single_step_program(
        run, registry, bind_folder(definition.cwd), signature, (), kwargs, plan, automation, on_blocked, payload_max
    )
    return replace(program, measure=read_output_bytes)


def _step_program(run: ClaimedRun, data: bytes, payload_max: int) -> Program:
    fn, signature, args, kwargs, value = read_step_run(data)
    plan = StepPlan(
        **read_limits(
            {
                "timeout": value.timeout_s,
                "heartbeat": value.heartbeat_s,
                "overlap_attempts": value.overlap_attempts,
            }
        ),
        isolate=value.isolate,
        delivery=value.delivery,
        retry=getattr(load_decorated(value.function), "retry", None)
        if value.retry is None
        else Retry.from_data(value.retry),
    )
    return _single_step_program(run, None, fn, signature, args, kwargs, plan, None, "hold", payload_max)


def _single_step_program(
    run: ClaimedRun,
    registry: Registry | None,
    fn: Callable[..., Any],
    signature: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    plan: StepPlan,
    automation: Automation | None,
    on_blocked: str,
    payload_max: int,
    promised: Sequence[str] = (),
    check: ResultCheck | None = None,
) -> Program:
    """Return a program of one step, followed by the check of the promised output files (`promised`).

    `registry` None = a step of another run: no middleware is around it as a run.
    """
    encode_value = _make_result_encoder(run, signature, payload_max)
    facts = read_run_facts(run)

    async def main(body: Body) -> Any:
        run_step = Run(body, facts, signature).step_with

        def run_call() -> Coroutine[Any, Any, Any]:
            return run_step(fn, signature, plan, args, kwargs)

        result = await (run_call() if registry is None else call_run(registry, body, facts, args, kwargs, run_call))
        if check is not None:
            check(encode_value(result))
        body.notes.reported_size = await request_output_check(run_step, promised, run.started_at)
        return result

    def call() -> StepCall:
        # Copies: changes of the step to its arguments must not reach a body that makes the same call later.
        subject = plan.name or fn.__name__
        data, own_args, own_kwargs = roundtrip_call(signature, args, kwargs, subject, limit=payload_max)
        return StepCall(fn, signature, own_args, own_kwargs, data, plan)

    has_body = bool(promised) or (registry is not None and bool(registry.run_middleware))
    single = None if has_body else call
    return Program(
        main,
        encode_value,
        plan.retry,
        on_blocked,
        automation=automation,
        single=single,
        check=check,
        headers=run.headers,
    )


def _make_result_encoder(run: ClaimedRun, signature: Signature, payload_max: int) -> Callable[[Any], bytes]:
    return lambda result: encode_result(signature, result, f"result of {run.automation}", limit=payload_max)


async def run_to_end(function: Coroutine[Any, Any, T], body: Body) -> T:
    """Return or raise the result of a workflow's function, after its remaining tasks and generators have ended too.

    One thing differs from `asyncio.run`: a step or child that a task has requested is started and awaited first, because a
    request is a promise. Timers and other waits of tasks delay nothing. Each action here happens when the body is at rest, so that
    a replay does it at the same place of the history.

    Raises:
        BodyError: it returned and left a `run.*` coroutine that was never awaited.
        Exception: the error of the function, otherwise that of the `finally` of an async generator that it left, otherwise that of a
            task that no code awaited, or of a callback.
    """
    try:
        result = await function
    except Restarted:  # an end that is no error
        await _shut_down(body)
        raise
    except (Unloaded, GeneratorExit):
        raise
    except BaseException:
        if body.loop.closed:  # unloaded: code that awaits in `finally` ends with an error
            raise
        with contextlib.suppress(Exception, asyncio.CancelledError):
            if body.stop.kind is not None:
                await _cancel_tasks(body)
            await _close_generators(body)
        body.release_independent_runs()
        raise
    await _shut_down(body)
    return result


async def _cancel_tasks(body: Body) -> None:
    """Cancel the tasks that a cancelled function left, and wait for their cleanup, as `asyncio.run` does."""
    tasks = body.loop.pending_tasks()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _shut_down(body: Body) -> None:
    loop = body.loop
    if loop.pending_tasks():
        await body.requests_done()
        body.calls.refuse_any()
        body.detach_independent_runs()
        for task in loop.pending_tasks():
            task.cancel()
        await body.requests_done()
    await _close_generators(body)
    loop.lost_errors.raise_first()
    body.calls.refuse_any()


async def _close_generators(body: Body) -> None:
    """Run the `finally` of each started, unexhausted async generator, in the order of their starts; raise the first error."""
    generators = body.loop.generators
    errors: list[BaseException] = []
    while closings := [*map(_close, generators.take()), *generators.take_closings()]:
        for closing in closings:
            try:
                await closing
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  close the others all the same
                errors.append(error)
    if errors:
        raise errors[0]


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def choose_program(
    run: ClaimedRun, registry: Registry, data: bytes, payload_max: int, history: History | None
) -> Program:
    """Return the program of a claimed run, or its undo program if it is loaded for that. Raises as `build_program`.

    The steps are read from the journal, because the code may have drifted since, or fail, or crash its worker. The code only provides the
    functions: it is driven through its history once, none of its requests starts, and the undo of each step that it requests becomes
    known. Code that crashed its worker is not driven; steps that the code does not request are known by the name of their undo. A step
    that ran for less than a second when its worker died has no record: it is known only if the code still requests it.
    """
    if run.undoing and history is not None:
        return build_undo_program(run, registry, data, payload_max, history)
    return build_program(run, registry, data, payload_max)


def build_undo_program(run: ClaimedRun, registry: Registry, data: bytes, payload_max: int, history: History) -> Program:
    """Return the program that undoes a run and ends it as cancelled.

    Raises:
        UnknownNameError: no automation of that name is loaded here.
    """
    automation = registry.get(run.automation, run.version)
    requested: Sequence[Request] = ()
    if not run.crashes:
        with contextlib.suppress(MainspringError):  # its input does not fit the current code
            requested = _requests_with_undo(build_program(run, registry, data, payload_max), run, payload_max, history)

    async def main(body: Body) -> Any:
        body.stop.kind = OutcomeKind.CANCEL
        await undo_each(body, find_effects_to_undo(history, requested, run))
        raise asyncio.CancelledError

    on_blocked = automation.definition.options.get("on_blocked", "hold")
    return Program(main, _encode_no_result, automation.retry, on_blocked, automation=automation, headers=run.headers)


def find_effects_to_undo(history: History, requested: Sequence[Request], run: ClaimedRun) -> list[StepEffect]:
    """Return the possible effects of a run that are not undone, newest first; `requested` = the requests of its code."""
    requests = {request.ident: request for request in requested}
    origin = read_fork_origin(run.fork)
    inherited_rank = 0 if origin is None else origin.last_rank
    steps = [o for o in history.outcomes if o.kind in EFFECT_KINDS and o.rank > inherited_rank]
    ended = {outcome.ident for outcome in history.outcomes}
    tried = {attempt.ident: _outcome_of_attempt(attempt) for attempt in history.attempts if attempt.ident not in ended}
    started = [
        _outcome_of_request(request, run.generation)
        for request in requested
        if isinstance(request.call, StepCall)
        and request.offered
        and request.ident not in ended
        and request.ident not in tried
    ]
    unsure = [*tried.values(), *started]
    known = [*history.outcomes, *history.superseded, *unsure]
    return find_effects([*steps, *unsure], history.superseded, known, requests)


def last_request_number(history: History) -> int:
    """Return the highest request number in a history."""
    outcomes = max((outcome.request_number for outcome in (*history.outcomes, *history.superseded)), default=0)
    return max((attempt.request_number for attempt in history.attempts), default=outcomes)


def _requests_with_undo(program: Program, run: ClaimedRun, payload_max: int, history: History) -> list[Request]:
    """Return the steps with an undo that the code requests, as far as it runs."""
    origin = read_counted_origin(run.fork, (outcome.rank for outcome in history.outcomes))
    body = Body(run.id, run.generation, program.main, history.outcomes, run.started_at, payload_max, origin=origin)
    try:
        with contextlib.suppress(Exception):  # a saved value that the current type cannot read
            body.begin()
        return list(body.undoable)
    finally:
        body.close()


def _outcome_of_attempt(attempt: AttemptRecord) -> Outcome:
    a = attempt
    return Outcome(
        *(0, a.ident, a.name, OutcomeKind.STEP, OutcomeState.IN_DOUBT, a.request_number, a.attempt, a.generation),
        *(a.started_at, a.started_at, 0, a.input, None, a.failure, a.undo),
    )


def _outcome_of_request(request: Request, generation: int) -> Outcome:
    call = request.call
    assert isinstance(call, StepCall)
    return Outcome(
        *(
            0,
            request.ident,
            request.name,
            OutcomeKind.STEP,
            OutcomeState.IN_DOUBT,
            request.request_number,
            0,
            generation,
        ),
        *(0, 0, 0, call.input, None, None, request.name),
    )


def _encode_no_result(_value: Any) -> bytes:
    return b"null"
