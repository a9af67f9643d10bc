"""Child runs of a body, as data: another automation, or one step that any worker may take.

A spread step is a run of kind "step" under its parent's automation and version; its input names the function as
`module:qualname`.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import ArgumentError, DefinitionError, OptionError
from mainspring.domain.ids import derive_id
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.function_signature import Signature, read_signature
from mainspring.domain.values.saved_call import decode_call, decode_result, encode_call, roundtrip_call
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.attempts.isolation import import_name_of, load_decorated, load_in_engine
from mainspring.engine.body.request import ChildCall, Request, StartCall
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.registry import current_registry
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.engine.definitions.step_plan import StepPlan
from mainspring.store.commands.runs import ClaimedRun, ParentLink, StartAlternative, StarterLink, StartRun

STEP_RUN = "step"
T = TypeVar("T")


class StepInput(msgspec.Struct, frozen=True):
    """The input of a step run."""

    function: str
    call: msgspec.Raw
    timeout_s: float | None = None
    isolate: str | None = None
    delivery: str = "at_least_once"


class RetriedStepInput(StepInput, frozen=True):
    """The input with the retry policy of the call (`Retry.to_data`). Without one the input is a StepInput, as in older versions."""

    retry: dict[str, Any] | None = None


class MonitoredStepInput(RetriedStepInput, frozen=True):
    """The input with a heartbeat of the call, or overlapping attempts."""

    heartbeat_s: float | None = None
    overlap_attempts: bool | None = None


class StartedRun(msgspec.Struct, frozen=True):
    """A run that `run.start` started. `created` = False: it has the run key, and was there already."""

    id: str
    created: bool = True


def read_started_run(data: bytes) -> StartedRun:
    """Return the outcome of `run.start`."""
    return msgspec.json.decode(data, type=StartedRun)


def parse_close_policy(value: Any) -> str:
    """Return `close=` of a child: what happens to it when its parent ends or no longer awaits it.

    Raises:
        OptionError: it is neither "cancel" nor "keep".
    """
    if value not in ("cancel", "keep"):
        hint = 'close="cancel" (default) stops the child when its parent ends; close="keep" lets it continue alone.'
        raise OptionError(f"close={value!r} is not valid", hint=hint)
    return str(value)


def merge_headers(inherited: Mapping[str, str], stated: Mapping[str, str] | None) -> bytes | None:
    """Return the headers of a child as JSON: the stated ones over those of its run; None = none are stated.

    Raises:
        OptionError: they cannot be used, or all are too large together.
    """
    if stated is None:
        return None
    from mainspring.domain.runs.run_headers import decode_headers, encode_headers  # noqa: PLC0415 - few calls state headers

    subject = "run.options(headers=...)"
    own = decode_headers(encode_headers(stated, subject))
    return encode_headers({**inherited, **own}, f"{subject} with those of the run")


def build_child_call(
    automation: Automation | str, args: tuple[Any, ...], kwargs: dict[str, Any], plan: StepPlan, payload_max: int
) -> tuple[ChildCall, Callable[[bytes], Any]]:
    """Return the call of a child and the decoder of its result.

    Raises:
        UnknownNameError: no automation of that name is loaded.
        DefinitionError: it cannot be a child.
        ArgumentError, ValueRefusedError: the arguments do not fit or cannot be saved.
    """
    by_name, automation = isinstance(automation, str), find_automation(automation, "run.child")
    definition = automation.definition
    signature = automation.signature
    if signature is None:
        return ChildCall(encode({}), plan, definition), decode
    bind = functools.partial(roundtrip_call, args=args, kwargs=kwargs, value_name=definition.name, limit=payload_max)
    data, args, kwargs = _bind_arguments(automation, signature, bind) if by_name else bind(signature)
    read = functools.partial(decode_result, signature, value_name=f"result of {definition.name}")
    return ChildCall(data, plan, definition, arguments=(args, kwargs)), read


def find_automation(automation: Automation | str, call: str) -> Automation:
    """Return the automation that a body names or has; `call` = the name of its call, for the error.

    Raises:
        UnknownNameError: no automation of that name is loaded.
        DefinitionError: it is none.
    """
    if isinstance(automation, str):
        automation = current_registry().get(automation)
    if not isinstance(automation, Automation):
        raise DefinitionError(
            f"{call} needs an automation, got {type(automation).__name__}: decorate it with @ms.workflow "
            "or @ms.task, or write run.step(function, ...)"
        )
    return automation


def build_start_call(
    automation: Automation | str, args: tuple[Any, ...], kwargs: dict[str, Any], plan: StepPlan, payload_max: int
) -> StartCall:
    """Return the call of a run to start. Raises as `build_child_call`."""
    by_name, automation = isinstance(automation, str), find_automation(automation, "run.start")
    definition = automation.definition
    signature = automation.signature
    if signature is None:
        return StartCall(encode({}), plan, definition)
    bind = functools.partial(encode_call, args=args, kwargs=kwargs, value_name=definition.name, limit=payload_max)
    return StartCall(_bind_arguments(automation, signature, bind) if by_name else bind(signature), plan, definition)


def _bind_arguments(named: Automation, signature: Signature, bind: Callable[[Signature], T]) -> T:
    """Return the arguments as the named version binds them, or another version of the name if they do not fit that one.

    The code of a body cannot know the version in force, which may have more parameters. An older version ignores them.

    Raises:
        ArgumentError: no version takes them; the error is that of the named one.
    """
    try:
        return bind(signature)
    except ArgumentError:
        for other in current_registry().list_other_versions(named.definition):
            if other.signature is not None:
                with contextlib.suppress(ArgumentError):
                    return bind(other.signature)
        raise


def build_spread_call(fn: Callable[..., Any], signature: Signature, data: bytes, plan: StepPlan) -> ChildCall:
    """Return the call of one step as its own run.

    Raises:
        DefinitionError: the function cannot be imported by another worker.
    """
    del signature
    timeout_s = plan.timeout.total_seconds() if plan.timeout is not None else None
    name = import_name_of(fn)
    shared = (name, msgspec.Raw(data), timeout_s, plan.isolate, plan.delivery)
    value, retry = StepInput(*shared), None
    if plan.retry is not None and plan.retry is not getattr(load_decorated(name), "retry", None):
        retry = plan.retry.to_data()
        value = RetriedStepInput(*shared, retry)
    if plan.heartbeat is not None or plan.overlap_attempts:
        heartbeat_s = None if plan.heartbeat is None else plan.heartbeat.total_seconds()
        value = MonitoredStepInput(*shared, retry, heartbeat_s, plan.overlap_attempts)
    return ChildCall(msgspec.json.encode(value), plan, step=fn.__name__)


def choose_child_id(run: ClaimedRun, ident: str) -> str:
    """Return the id of a new child. The store knows an existing child of the request; the id must only differ from superseded ones."""
    return derive_id("r", run.created_at, run.id, ident, str(run.generation))


def build_child_start(
    run: ClaimedRun,
    request: Request,
    call: ChildCall | StartCall,
    now_at: int,
    sealing: Sealing,
    other_versions: Sequence[Definition] = (),
) -> StartRun:
    """Return the command that starts a child, or a run of its own. `other_versions` of its automation: if one is in force, its options
    count.

    Raises:
        OptionError: its key or partition cannot be made of its input.
    """
    child_id = choose_child_id(run, request.ident)
    plan = call.plan
    is_child = isinstance(call, ChildCall)
    headers = run.headers if plan.headers is None else sealing.seal_inline(plan.headers)
    link = ParentLink(run.id, request.ident, run.claim, plan.close, request.request_number) if is_child else None
    if call.definition is not None:
        build_start = functools.partial(
            build_start_command,
            data=call.input,
            run=child_id,
            now_at=now_at,
            trigger=f"{'child of' if is_child else 'started by'} {run.id}",
            options=StartOptions(key=plan.run_key, queue=plan.queue, tag=plan.tag, retry=plan.retry),
            parent=link,
            starter=None if is_child else StarterLink(run.id, run.claim),
            sealing=sealing,
            headers=headers,
        )
        return (
            _add_alternatives(build_start, call.definition, other_versions)
            if other_versions
            else build_start(call.definition)
        )
    return StartRun(
        id=child_id,
        automation=run.automation,
        kind=STEP_RUN,
        version=run.version,
        input=sealing.seal(call.input),
        codec=sealing.id,
        trigger=f"child of {run.id}",
        queue=plan.queue or run.queue,
        priority=run.priority,
        tag=plan.tag,
        title=f"{run.automation}: {request.ident}",
        parent=link,
        headers=run.headers,
    )


def _add_alternatives(
    build_start: Callable[[Definition], StartRun], named: Definition, other_versions: Sequence[Definition]
) -> StartRun:
    """Return the start of the named version, with those of all versions: the templates of one may not fit this input.

    Raises:
        OptionError: no version fits.
    """
    alternatives: list[StartAlternative] = []
    errors: list[OptionError] = []
    for definition in (named, *other_versions):
        try:
            alternatives.append(StartAlternative(definition.version, build_start(definition)))
        except OptionError as error:
            errors.append(error)
            alternatives.append(StartAlternative(definition.version, None, error.message))
    start = next((alternative.start for alternative in alternatives if alternative.start is not None), None)
    if start is None:
        raise errors[0]
    return msgspec.structs.replace(start, alternatives=tuple(alternatives))


def read_step_run(
    data: bytes,
) -> tuple[Callable[..., Any], Signature, tuple[Any, ...], dict[str, Any], MonitoredStepInput]:
    """Return the function of a step run, its signature, its arguments and the input itself.

    Raises:
        DefinitionError: this worker cannot import the function.
    """
    value = msgspec.json.decode(data, type=MonitoredStepInput)
    fn = load_in_engine(value.function)
    signature = read_signature(fn, 1 if value.delivery == "transactional" else 0)
    args, kwargs = decode_call(signature, bytes(value.call), value.function)
    return fn, signature, args, kwargs, value
