"""Dry run of an event, in sentences, by the code of a real one: filter, arguments, flow control, run key. Nothing is stored or started."""

from typing import Any

import msgspec

from mainspring.cli.triggers.dry_run_intake import SimulatedIntake
from mainspring.domain.errors import MainspringError
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControlState, HeldDeliveries, decide_delivery
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.values.arguments import bind_json
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.automation import Automation
from mainspring.insight.text.formatting import escape_line, format_count, format_moment
from mainspring.store.base import StoreReader
from mainspring.store.commands.runs import StartRun
from mainspring.store.read import triggers
from mainspring.triggers.filter_call import call_filter
from mainspring.triggers.start_from_event import EventData, build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger

CONTINUING_STATES = frozenset({DeliveryState.STARTED, DeliveryState.HELD})
_DELIVERY_ID = "d_test"


class DryRunResult(msgspec.Struct, frozen=True, kw_only=True):
    """`state` = the state that the delivery would get; None = it is answered at once and not stored. `facts` = sentences by subject."""

    trigger: str
    state: DeliveryState | None
    sentence: str
    facts: dict[str, str]
    arguments: Any = None
    faults: list[str] = []
    run_key: str | None = None
    partition: str | None = None


class DryRunInputs(msgspec.Struct, frozen=True):
    """Inputs of a dry run: trigger, automation's code, store (None: there is none yet), instant, time zone, largest value."""

    known: CachedTrigger
    automation: Automation
    reader: StoreReader | None
    now: int
    zone: str
    limit: int


def dry_run_event(inputs: DryRunInputs, intake: SimulatedIntake) -> DryRunResult:
    """Return the outcome of an event that passed its intake. An event whose key was counted already starts nothing."""
    result = _dry_run_as_new(inputs, intake)
    delivery_id = (
        triggers.delivery_of_key(inputs.reader, inputs.known.name, intake.key)
        if intake.is_keyed and inputs.reader is not None
        else None
    )
    if delivery_id is None or result.state not in CONTINUING_STATES:
        return result
    sentence = f"it is a duplicate of {delivery_id}, so it starts nothing. With another key, {result.sentence}"
    return msgspec.structs.replace(result, state=DeliveryState.DROPPED, sentence=sentence)


def _dry_run_as_new(inputs: DryRunInputs, intake: SimulatedIntake) -> DryRunResult:
    trigger, facts = inputs.known, {}
    if intake.sender is not None:
        facts["sender"] = intake.sender
    if intake.answered is not None:
        return DryRunResult(
            trigger=trigger.name,
            state=None,
            sentence="nothing is stored and no run starts",
            facts=facts | {"answer": intake.answered},
        )
    if intake.rejection is not None:
        return _make_result(inputs, facts, DeliveryState.REFUSED, f"it is rejected: {intake.rejection}")
    if intake.is_keyed:
        facts["key"] = _describe_key(inputs, intake.key)
    event = build_event(
        trigger,
        id=_DELIVERY_ID,
        key=intake.key,
        name=intake.name,
        data=intake.data,
        at=inputs.now,
        headers=intake.headers,
    )
    if trigger.trigger.filtered:
        state, sentence = call_filter(inputs.automation.filter_of(split_trigger_name(trigger.name)[1]), event)
        facts["filter"] = sentence
        if state is not None:
            return _make_result(inputs, facts, state, sentence)
    try:
        start = _make_start(inputs, event, intake)
        by_key = trigger.trigger.by_of(event)
    except MainspringError as error:
        result = _make_result(inputs, facts, _mismatch_state(trigger), f"it cannot start a run: {error.message}")
        return msgspec.structs.replace(result, faults=_find_all_faults(inputs, event))
    return _finish_dry_run(inputs, facts, start, by_key)


def _finish_dry_run(inputs: DryRunInputs, facts: dict[str, str], start: StartRun, by_key: str) -> DryRunResult:
    """Describe the decision of the flow control, and the arguments of the run."""
    arguments, faults = msgspec.json.decode(start.input), []
    if inputs.automation.signature is not None:
        faults = find_argument_faults(inputs.automation.signature, arguments)
    state, decision = _apply_flow_control(inputs, by_key)
    facts["pace"] = decision
    if start.run_key is not None:
        facts["run key"] = _describe_run_key(inputs, start.run_key.key)
    if start.partition is not None:
        facts["partition"] = f"{escape_line(start.partition)}: its runs run one after another"
    if faults:
        state, decision = _mismatch_state(inputs.known), f"the arguments do not fit {inputs.automation.name}"
    sentence = decision if state is not DeliveryState.STARTED else f"a run of {inputs.automation.name} starts at once"
    return DryRunResult(
        trigger=inputs.known.name,
        state=state,
        sentence=sentence,
        facts=facts,
        arguments=arguments,
        faults=faults,
        run_key=start.run_key.key if start.run_key else None,
        partition=start.partition,
    )


def _mismatch_state(trigger: CachedTrigger) -> DeliveryState:
    """Return the state of a delivery with mismatched arguments: an intake rejects it to its sender; otherwise there is no sender."""
    has_sender = trigger.trigger.kind in ("webhook", "queue", "files") and not trigger.trigger.filtered
    return DeliveryState.REFUSED if has_sender else DeliveryState.FAILED


def _find_all_faults(inputs: DryRunInputs, event: EventData) -> list[str]:
    """Return all faults of the arguments, although an intake reports only the first."""
    if inputs.automation.signature is None:
        return []
    try:
        arguments = inputs.known.trigger.reading.arguments([event])
    except MainspringError:
        return []
    return find_argument_faults(inputs.automation.signature, arguments)


def find_argument_faults(signature: Signature, arguments: Any) -> list[str]:
    """Return the faults of arguments, each with the path inside the value."""
    try:
        bind_json(signature, arguments)
    except MainspringError as error:
        return [line.strip() for line in error.message.splitlines()[1:]] or [error.message]
    return []


def _make_result(inputs: DryRunInputs, facts: dict[str, str], state: DeliveryState, sentence: str) -> DryRunResult:
    return DryRunResult(trigger=inputs.known.name, state=state, sentence=sentence, facts=facts)


def _make_start(inputs: DryRunInputs, event: EventData, intake: SimulatedIntake) -> StartRun:
    sealing = Sealing(None, inputs.limit)
    return build_start(inputs.known, [event], _DELIVERY_ID, inputs.now, sealing, partition=intake.partition)


def _apply_flow_control(inputs: DryRunInputs, by_key: str) -> tuple[DeliveryState, str]:
    """Return the decision of the flow control, from the stored state of the key."""
    flow_control = inputs.known.trigger.pace
    words = ", ".join(flow_control.words())
    if flow_control.is_plain:
        return DeliveryState.STARTED, words or "each starts at once"
    held, control_state = HeldDeliveries(), FlowControlState()
    if inputs.reader is not None:
        held, control_state = triggers.flow_control_state(inputs.reader, inputs.known.name, by_key)
    decision = decide_delivery(flow_control, control_state, held, inputs.now)
    key_text = f" of {escape_line(by_key, 60)!r}" if by_key else ""
    held_text = (
        f"; {format_count(held.number, 'delivery is', 'deliveries are')} held already{key_text}" if held.number else ""
    )
    if decision.state is DeliveryState.HELD and decision.due_at is not None:
        return (
            decision.state,
            f"it is held until {format_moment(decision.due_at, inputs.now, inputs.zone)} ({words}{held_text})",
        )
    if decision.state is DeliveryState.DROPPED:
        return decision.state, f"it is dropped: {decision.note} ({words})"
    return decision.state, f"it starts at once ({words}{held_text})"


def _describe_key(inputs: DryRunInputs, key: str) -> str:
    key_text = escape_line(key, 200)
    delivery_id = None if inputs.reader is None else triggers.delivery_of_key(inputs.reader, inputs.known.name, key)
    if delivery_id is None:
        return f"{key_text}: it counts once, and is new"
    return f"{key_text}: it is a duplicate of {delivery_id}; a duplicate gets the first answer and starts nothing"


def _describe_run_key(inputs: DryRunInputs, key: str) -> str:
    key_text = escape_line(key, 200)
    name = inputs.automation.name
    run = None if inputs.reader is None else triggers.run_of_key(inputs.reader, name, key, inputs.now)
    return f"{key_text}: no run has it yet" if run is None else f"{key_text}: run {run} has it, so no other run starts"
