"""What an event would do, in sentences, by the code that would do it: filter, arguments, pace, run key. Nothing is stored or started."""

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
from mainspring.store.read import triggers as reads
from mainspring.triggers.filter_call import call_filter
from mainspring.triggers.start_from_event import EventData, build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger

CONTINUING_STATES = frozenset({DeliveryState.STARTED, DeliveryState.HELD})
_DELIVERY_ID = "d_test"


class DryRunResult(msgspec.Struct, frozen=True, kw_only=True):
    """`state` = what the delivery would become; None = it is answered at the door and not stored. `facts` = sentences by subject."""

    trigger: str
    state: DeliveryState | None
    sentence: str
    facts: dict[str, str]
    arguments: Any = None
    faults: list[str] = []
    run_key: str | None = None
    partition: str | None = None


class DryRunInputs(msgspec.Struct, frozen=True):
    """What a trial is made with: trigger, automation's code, store (None: there is none yet), instant, zone of clocks, largest value."""

    known: CachedTrigger
    automation: Automation
    reader: StoreReader | None
    now: int
    zone: str
    limit: int


def dry_run_event(bench: DryRunInputs, door: SimulatedIntake) -> DryRunResult:
    """Return what would become of an event that came through its door. One whose key counts already starts nothing."""
    found = _dry_run_as_new(bench, door)
    known = (
        reads.delivery_of_key(bench.reader, bench.known.name, door.key)
        if door.is_keyed and bench.reader is not None
        else None
    )
    if known is None or found.state not in CONTINUING_STATES:
        return found
    sentence = f"it came already, as {known}: the same once more starts nothing. Under another key {found.sentence}"
    return msgspec.structs.replace(found, state=DeliveryState.DROPPED, sentence=sentence)


def _dry_run_as_new(bench: DryRunInputs, door: SimulatedIntake) -> DryRunResult:
    known, facts = bench.known, {}
    if door.sender is not None:
        facts["sender"] = door.sender
    if door.answered is not None:
        return DryRunResult(
            trigger=known.name,
            state=None,
            sentence="nothing is stored and nothing starts",
            facts=facts | {"answer": door.answered},
        )
    if door.turned_away is not None:
        return _make_result(bench, facts, DeliveryState.REFUSED, f"it is not taken in: {door.turned_away}")
    if door.is_keyed:
        facts["key"] = _describe_key(bench, door.key)
    event = build_event(
        known, id=_DELIVERY_ID, key=door.key, name=door.name, data=door.data, at=bench.now, headers=door.headers
    )
    if known.trigger.filtered:
        state, said = call_filter(bench.automation.filter_of(split_trigger_name(known.name)[1]), event)
        facts["filter"] = said
        if state is not None:
            return _make_result(bench, facts, state, said)
    try:
        start = _make_start(bench, event, door)
        by = known.trigger.by_of(event)
    except MainspringError as error:
        found = _make_result(bench, facts, _misfit_state(known), f"no run can be made of it: {error.message}")
        return msgspec.structs.replace(found, faults=_find_all_faults(bench, event))
    return _finish_dry_run(bench, facts, start, by)


def _finish_dry_run(bench: DryRunInputs, facts: dict[str, str], start: StartRun, by: str) -> DryRunResult:
    """Say what the pace decides, and what the run is given."""
    arguments, faults = msgspec.json.decode(start.input), []
    if bench.automation.signature is not None:
        faults = find_argument_faults(bench.automation.signature, arguments)
    state, said = _apply_flow_control(bench, by)
    facts["pace"] = said
    if start.run_key is not None:
        facts["run key"] = _describe_run_key(bench, start.run_key.key)
    if start.partition is not None:
        facts["partition"] = f"{escape_line(start.partition)}: its runs go one after the other"
    if faults:
        state, said = _misfit_state(bench.known), f"the arguments do not fit {bench.automation.name}"
    sentence = said if state is not DeliveryState.STARTED else f"a run of {bench.automation.name} starts at once"
    return DryRunResult(
        trigger=bench.known.name,
        state=state,
        sentence=sentence,
        facts=facts,
        arguments=arguments,
        faults=faults,
        run_key=start.run_key.key if start.run_key else None,
        partition=start.partition,
    )


def _misfit_state(known: CachedTrigger) -> DeliveryState:
    """Return what becomes of what no run can be made of: a door tells its sender, inside and behind a filter there is none to tell."""
    at_a_door = known.trigger.kind in ("webhook", "queue", "files") and not known.trigger.filtered
    return DeliveryState.REFUSED if at_a_door else DeliveryState.FAILED


def _find_all_faults(bench: DryRunInputs, event: EventData) -> list[str]:
    """Return all that is wrong with the arguments, where the door tells the first of it only."""
    if bench.automation.signature is None:
        return []
    try:
        arguments = bench.known.trigger.reading.arguments([event])
    except MainspringError:
        return []
    return find_argument_faults(bench.automation.signature, arguments)


def find_argument_faults(signature: Signature, arguments: Any) -> list[str]:
    """Return what is wrong with arguments, each with the path inside the value."""
    try:
        bind_json(signature, arguments)
    except MainspringError as error:
        return [line.strip() for line in error.message.splitlines()[1:]] or [error.message]
    return []


def _make_result(bench: DryRunInputs, facts: dict[str, str], state: DeliveryState, sentence: str) -> DryRunResult:
    return DryRunResult(trigger=bench.known.name, state=state, sentence=sentence, facts=facts)


def _make_start(bench: DryRunInputs, event: EventData, door: SimulatedIntake) -> StartRun:
    sealing = Sealing(None, bench.limit)
    return build_start(bench.known, [event], _DELIVERY_ID, bench.now, sealing, partition=door.partition)


def _apply_flow_control(bench: DryRunInputs, by: str) -> tuple[DeliveryState, str]:
    """Return what the pace decides on what the store remembers of the key."""
    pace = bench.known.trigger.pace
    words = ", ".join(pace.words())
    if pace.is_plain:
        return DeliveryState.STARTED, words or "each starts at once"
    held, mark = HeldDeliveries(), FlowControlState()
    if bench.reader is not None:
        held, mark = reads.flow_control_state(bench.reader, bench.known.name, by)
    ruling = decide_delivery(pace, mark, held, bench.now)
    of = f" of {escape_line(by, 60)!r}" if by else ""
    beside = f"; {format_count(held.number, 'delivery is', 'deliveries are')} held already{of}" if held.number else ""
    if ruling.state is DeliveryState.HELD and ruling.due_at is not None:
        return ruling.state, f"it is held until {format_moment(ruling.due_at, bench.now, bench.zone)} ({words}{beside})"
    if ruling.state is DeliveryState.DROPPED:
        return ruling.state, f"it is dropped: {ruling.note} ({words})"
    return ruling.state, f"it starts at once ({words}{beside})"


def _describe_key(bench: DryRunInputs, key: str) -> str:
    shown = escape_line(key, 200)
    known = None if bench.reader is None else reads.delivery_of_key(bench.reader, bench.known.name, key)
    if known is None:
        return f"{shown}: it counts once, and was not seen yet"
    return f"{shown}: it came already, as {known}; the same once more gets the first answer and starts nothing"


def _describe_run_key(bench: DryRunInputs, key: str) -> str:
    shown = escape_line(key, 200)
    name = bench.automation.name
    run = None if bench.reader is None else reads.run_of_key(bench.reader, name, key, bench.now)
    return f"{shown}: no run has it yet" if run is None else f"{shown}: run {run} has it, so none is started"
