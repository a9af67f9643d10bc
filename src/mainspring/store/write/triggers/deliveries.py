"""Deliveries of triggers: announce triggers and accept deliveries. A key counts once, and flow control decides in the
commit that stores it.
"""

import json

import msgspec

from mainspring.domain.integrity.lost_interval import LOST_INTERVAL_NOTE
from mainspring.domain.states import DELIVERY_MOVES, DeliveryState
from mainspring.domain.triggers.flow_control import (
    FlowControl,
    FlowControlDecision,
    FlowControlState,
    HeldDeliveries,
    decide_delivery,
    is_full,
    record_delivery,
)
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.commands.automations import AnnounceDefinitions
from mainspring.store.commands.results import DONE, CommandDone, DeliveryStored, Refused
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    RecordFilterCall,
    ReleaseSourceKey,
    ReplayDelivery,
    ReportConsumer,
    TriggerRow,
)
from mainspring.store.read.triggers import flow_control_of_row
from mainspring.store.transaction import Transaction
from mainspring.store.write import subscriptions
from mainspring.store.write.delivery_row import InsertedDelivery
from mainspring.store.write.held_store import is_in_lost_interval
from mainspring.store.write.runs.start import start_run
from mainspring.store.write.triggers.delivery_keys import KnownDelivery, find_known, refuse_other_body
from mainspring.store.write.triggers.rejected_deliveries import key_of_rejected, trim_rejected_deliveries

_FULL_MS = 1_000
_TOUCH_AFTER_MS = 12 * 3_600_000


def announce_triggers(tx: Transaction, command: AnnounceDefinitions) -> None:
    """Write the triggers of the announced automations; a trigger that its automation no longer has, ends."""
    names: dict[str, list[str]] = {row.name: [] for row in command.automations if row.definition is not None}
    for automation in names:
        tx.change("delete_topics", (automation,))
        tx.change("clear_paths", (automation,))  # the paths of one announcement may have been exchanged
    for row in command.triggers:
        names.setdefault(row.automation, []).append(row.name)
        _write_trigger(tx, row)
    for automation, trigger_names in names.items():
        tx.change("end_other_triggers", (tx.now, automation, json.dumps(trigger_names)))
    subscriptions.clear_subscription_cache(tx)


def _write_trigger(tx: Transaction, row: TriggerRow) -> None:
    problem = None if row.path is None else _path_conflict(tx, row.name, row.path)
    path = None if problem is not None else row.path
    tx.change("write_trigger", (row.name, row.automation, row.kind, row.definition, path, problem, tx.now))
    for topic in row.topics:
        tx.change("insert_topic", (topic.kind, topic.name, row.name, topic.condition))
    if row.topics:
        tx.change("set_gathering_size", (len(row.topics), row.name))
        tx.change("recount_gatherings", (row.name,))


def _path_conflict(tx: Transaction, trigger: str, path: str) -> str | None:
    """Return the problem that another trigger has this path; None if it is free."""
    owner = tx.first("find_path_owner", (path, trigger))
    if owner is None:
        return None
    return f"{path} is already the path of {owner[0]!r}: give one of the two another path, and restart the worker"


def release_reassigned_paths(tx: Transaction, automation: str) -> None:
    """Remove the paths of an automation that another one was given while it was retired."""
    for name, path in tx.all("list_paths_of", (automation,)):
        problem = _path_conflict(tx, name, path)
        if problem is not None:
            tx.change("reject_path", (problem, name))


def accept_delivery(tx: Transaction, command: AcceptDelivery) -> DeliveryStored | Refused:
    """Store one incoming delivery, once."""
    c = command
    tx.hold("delivery", c.trigger, c.key)
    known, answers = find_known(tx, command)
    # A delivery refused for its value started nothing: it counts once it fits, as after new code or a corrected body.
    if known is not None and answers:
        return _answer_known(tx, command, known)
    found = tx.first("find_trigger", (c.trigger,))
    if found is None:
        return Refused("no_trigger", f"the trigger {c.trigger!r} no longer exists")
    if c.refused is not None:
        _insert(tx, command, FlowControlDecision(DeliveryState.REFUSED, note=c.refused), None, known)
        trim_rejected_deliveries(tx, c.trigger, c.verified)
        automation, _ = found
        tx.detail(automation, "refused:value")
        return DeliveryStored(c.id, DeliveryState.REFUSED, None, first=True, note=c.refused)
    if c.was_stored and is_in_lost_interval(tx, c.happened_at):
        _insert(tx, command, FlowControlDecision(DeliveryState.FAILED, note=LOST_INTERVAL_NOTE), None, known)
        return DeliveryStored(c.id, DeliveryState.FAILED, None, first=True, note=LOST_INTERVAL_NOTE)
    if c.filtered:
        _insert(tx, command, FlowControlDecision(DeliveryState.RECEIVED), None, known)
        tx.triggers = True
        return DeliveryStored(c.id, DeliveryState.RECEIVED, None, first=True)
    decision = apply_flow_control(tx, c.trigger, c.by, c.pace, c.start)
    if isinstance(decision, Refused):
        return decision
    run = c.start.id if c.start is not None and decision.state is DeliveryState.STARTED else None
    _insert(tx, command, decision, run, known)
    return DeliveryStored(c.id, decision.state, run, first=True, note=decision.note)


def _answer_known(tx: Transaction, command: AcceptDelivery, known: KnownDelivery) -> DeliveryStored | Refused:
    is_other = known.body_hash is not None and known.body_hash != command.body_hash
    if not is_other:
        # Retention counts from the last repetition: a file that stays in place is delivered again each day.
        tx.change("touch_delivery", (tx.now, known.id, tx.now - _TOUCH_AFTER_MS))
    if is_other or (known.state == DeliveryState.REFUSED and known.variant):
        tx.detail(split_trigger_name(command.trigger)[0], "refused:other_body")
        text = f"delivery {known.id} has this key and another body" if is_other else known.note
        return Refused("other_body", text or "")
    first = tx.again and known.id == command.id
    return DeliveryStored(known.id, DeliveryState(known.state), known.run, first, known.note)


def apply_flow_control(
    tx: Transaction, trigger: str, by: str, flow_control: FlowControl, start: StartRun | None
) -> FlowControlDecision | Refused:
    """Let flow control decide on one delivery, and start its run if allowed. Refused busy = nothing changed; the sender
    repeats it.
    """
    if flow_control.is_plain:
        return _start(tx, start, FlowControlDecision(DeliveryState.STARTED))
    tx.hold("pace", trigger, by)
    row = tx.first("count_held_deliveries", (trigger, by))
    held = HeldDeliveries(*row) if row is not None else HeldDeliveries()
    if is_full(held):
        return Refused("busy", f"{held.number} deliveries wait for their turn", retry_after_ms=_FULL_MS)
    state = read_flow_control(tx, trigger, by)
    decision = decide_delivery(flow_control, state, held, tx.now)
    if decision.state is DeliveryState.STARTED:
        answer = _start(tx, start, decision)
        if isinstance(answer, Refused):
            return answer
        decision = answer
    if decision.replaces:
        tx.change("drop_held_deliveries", ("a newer one counts", tx.now, trigger, by))
    if decision.state is DeliveryState.HELD:
        tx.triggers = True
        if flow_control.batch is not None and decision.due_at is not None:
            tx.change("advance_held_deliveries", (decision.due_at, trigger, by))
    if decision.state in (DeliveryState.HELD, DeliveryState.STARTED):
        write_flow_control(
            tx,
            trigger,
            by,
            flow_control,
            record_delivery(flow_control, state, held, tx.now, started=decision.state is DeliveryState.STARTED),
        )
    return decision


def _start(tx: Transaction, start: StartRun | None, decision: FlowControlDecision) -> FlowControlDecision | Refused:
    if start is None:
        return FlowControlDecision(DeliveryState.FAILED, note="it could not start a run")
    answer = start_run(tx, start)
    if isinstance(answer, Refused):
        return answer if answer.code == "busy" else FlowControlDecision(DeliveryState.FAILED, note=answer.text)
    if answer.by_key or answer.run != start.id:
        return FlowControlDecision(DeliveryState.DROPPED, note=f"run {answer.run} has its run key")
    return decision


def read_flow_control(tx: Transaction, trigger: str, by: str) -> FlowControlState:
    """Return the flow control state of a key."""
    row = tx.first("read_flow_control", (trigger, by))
    return FlowControlState() if row is None else flow_control_of_row(row)


def write_flow_control(
    tx: Transaction, trigger: str, by: str, flow_control: FlowControl, state: FlowControlState
) -> None:
    """Store the flow control state for as long as the flow control needs it."""
    tx.change(
        "write_flow_control",
        (
            trigger,
            by,
            state.counted_at,
            state.started_at,
            state.starts,
            state.since_at,
            tx.now + flow_control.remembers,
        ),
    )


def _insert(
    tx: Transaction,
    c: AcceptDelivery,
    decision: FlowControlDecision,
    run: str | None,
    known: KnownDelivery | None = None,
) -> None:
    """Store a delivery, in place of one that was refused."""
    if known is not None:
        tx.change("release_delivery_key", (known.id,))
    tx.change("insert_delivery", row_of(tx, c, decision, run))


def row_of(tx: Transaction, c: AcceptDelivery, decision: FlowControlDecision, run: str | None) -> InsertedDelivery:
    """Return the row of a delivery. One that waits for its filter does not hold its key yet."""
    is_waiting = c.filtered and decision.state is DeliveryState.RECEIVED
    return InsertedDelivery(
        c.id,
        c.trigger,
        c.key,
        decision.state.value,
        decision.note,
        filtered=int(is_waiting),
        name=c.name,
        body_hash=c.body_hash,
        body=c.body,
        data=c.data,
        headers=c.headers,
        by_key=c.by,
        verified=c.verified,
        run=run,
        due_at=decision.due_at,
        redelivered=c.redelivered,
        variant=c.body_hash if is_waiting else "",
        at=tx.now,
    )


def record_decision(tx: Transaction, command: DecideDelivery) -> DeliveryStored | Refused:
    """Decide on a received delivery, unless another process did meanwhile."""
    c = command
    tx.hold("delivery", c.delivery)
    row = tx.first("read_delivery_state", (c.delivery,))
    if row is None:
        return Refused("changed", f"there is no delivery {c.delivery}")
    state, run, note, verified = row
    if state != DeliveryState.RECEIVED:
        first = tx.again and run == (None if run is None or c.start is None else c.start.id)
        return DeliveryStored(c.delivery, DeliveryState(state), run, first, note)
    decision: FlowControlDecision | Refused = FlowControlDecision(c.state, note=c.note)
    if c.state is DeliveryState.STARTED:
        decision = refuse_other_body(tx, c) or apply_flow_control(tx, c.trigger, c.by, c.pace, c.start)
    if isinstance(decision, Refused):
        return decision
    if decision.state not in DELIVERY_MOVES[DeliveryState.RECEIVED]:
        raise ValueError(f"a received delivery cannot become {decision.state}")
    run = c.start.id if c.start is not None and decision.state is DeliveryState.STARTED else None
    tx.change("settle_delivery", (decision.state.value, decision.note, run, decision.due_at, c.by, tx.now, c.delivery))
    if decision.state is DeliveryState.REFUSED:
        trim_rejected_deliveries(tx, c.trigger, verified)
    elif c.state is DeliveryState.STARTED and c.key:
        tx.change("claim_delivery_key", (c.delivery,))
    return DeliveryStored(c.delivery, decision.state, run, first=True, note=decision.note)


def replay_delivery(tx: Transaction, command: ReplayDelivery) -> DeliveryStored | Refused:
    """Repeat a delivery."""
    row = tx.first("read_delivery_input", (command.delivery,))
    if row is None:
        return Refused("not_found", f"there is no delivery {command.delivery}")
    trigger, key, name, body_hash, body, data, headers, source, verified, _ = row
    if key == key_of_rejected(command.delivery):
        return Refused("not_kept", f"delivery {command.delivery} was rejected, and its body was not stored")
    found = tx.first("find_trigger", (trigger,))
    if found is None:
        return Refused("no_trigger", f"the trigger {trigger!r} no longer exists")
    _, definition = found
    replay = InsertedDelivery(
        command.id,
        trigger,
        f"{key}#{command.id}",
        DeliveryState.RECEIVED.value,
        filtered=int(bool(msgspec.json.decode(definition).get("filtered"))),
        name=name,
        body_hash=body_hash,
        body=body,
        data=data,
        headers=headers,
        source=source,
        verified=verified,
        replay_of=command.delivery,
        at=tx.now,
    )
    tx.change("insert_delivery", replay)
    tx.triggers = True
    return DeliveryStored(command.id, DeliveryState.RECEIVED, None, first=True)


def release_source_key(tx: Transaction, command: ReleaseSourceKey) -> CommandDone | Refused:
    """Release a key so that it counts again."""
    tx.hold("delivery", command.trigger, command.key)
    if tx.change("release_source_key", (command.trigger, command.key)) or tx.again:
        return DONE
    return Refused("not_found", f"nothing that is over arrived for {command.trigger!r} under this key")


def report_consumer(tx: Transaction, command: ReportConsumer) -> CommandDone:
    """Record since when a consumer is connected or unreachable."""
    c = command
    tx.change("report_consumer", (c.trigger, tx.session or 0, c.connected_at, c.unreachable_at, c.reason))
    return DONE


def record_filter_call(tx: Transaction, command: RecordFilterCall) -> CommandDone:
    """Record that this session starts to call these filters."""
    tx.change("record_filter_call", (tx.session or 0, json.dumps(command.deliveries)))
    return DONE
