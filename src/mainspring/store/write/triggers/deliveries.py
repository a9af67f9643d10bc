"""Triggers as announced, and what arrives for them: a key counts once, and its pace decides in the commit that stores it."""

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
    """Write the triggers of the announced automations; one that its automation no longer has, ends."""
    names: dict[str, list[str]] = {row.name: [] for row in command.automations if row.definition is not None}
    for automation in names:
        tx.change("delete_topics", (automation,))
        tx.change("clear_paths", (automation,))  # those of one announcement may have changed places
    for row in command.triggers:
        names.setdefault(row.automation, []).append(row.name)
        _write(tx, row)
    for automation, kept in names.items():
        tx.change("end_other_triggers", (tx.now, automation, json.dumps(kept)))
    subscriptions.clear_subscription_cache(tx)


def _write(tx: Transaction, row: TriggerRow) -> None:
    problem = None if row.path is None else _taken(tx, row.name, row.path)
    path = None if problem is not None else row.path
    tx.change("write_trigger", (row.name, row.automation, row.kind, row.definition, path, problem, tx.now))
    for topic in row.topics:
        tx.change("insert_topic", (topic.kind, topic.name, row.name, topic.condition))
    if row.topics:
        tx.change("set_gathering_size", (len(row.topics), row.name))
        tx.change("recount_gatherings", (row.name,))


def _taken(tx: Transaction, trigger: str, path: str) -> str | None:
    """Return the problem that a path is another trigger's already; None if it is free."""
    taken = tx.one("find_path_owner", (path, trigger))
    if taken is None:
        return None
    return f"{path} is the path of {taken[0]!r} already: give one of the two another, and start the worker again"


def release_taken_paths(tx: Transaction, automation: str) -> None:
    """Take the paths off an automation that somebody else was given while it was retired."""
    for name, path in tx.all("list_paths_of", (automation,)):
        problem = _taken(tx, name, path)
        if problem is not None:
            tx.change("reject_path", (problem, name))


def accept_delivery(tx: Transaction, command: AcceptDelivery) -> DeliveryStored | Refused:
    """Store one arrival, once."""
    c = command
    tx.hold("delivery", c.trigger, c.key)
    known, answers = find_known(tx, command)
    # What was refused for its value started nothing: it counts once it fits, as after new code or a corrected body.
    if known is not None and answers:
        return _known(tx, command, known)
    found = tx.one("find_trigger", (c.trigger,))
    if found is None:
        return Refused("no_trigger", f"nothing is triggered by {c.trigger!r} any more")
    if c.refused is not None:
        _insert(tx, command, FlowControlDecision(DeliveryState.REFUSED, note=c.refused), None)
        trim_rejected_deliveries(tx, c.trigger, c.verified)
        tx.detail(found[0], "refused:value")
        return DeliveryStored(c.id, DeliveryState.REFUSED, None, first=True, note=c.refused)
    if c.was_kept and is_in_lost_interval(tx, c.happened_at):
        _insert(tx, command, FlowControlDecision(DeliveryState.FAILED, note=LOST_INTERVAL_NOTE), None, known)
        return DeliveryStored(c.id, DeliveryState.FAILED, None, first=True, note=LOST_INTERVAL_NOTE)
    if c.filtered:
        _insert(tx, command, FlowControlDecision(DeliveryState.RECEIVED), None, known)
        tx.ready = True
        return DeliveryStored(c.id, DeliveryState.RECEIVED, None, first=True)
    ruling = apply_flow_control(tx, c.trigger, c.by, c.pace, c.start)
    if isinstance(ruling, Refused):
        return ruling
    run = c.start.id if c.start is not None and ruling.state is DeliveryState.STARTED else None
    _insert(tx, command, ruling, run, known)
    return DeliveryStored(c.id, ruling.state, run, first=True, note=ruling.note)


def _known(tx: Transaction, command: AcceptDelivery, known: KnownDelivery) -> DeliveryStored | Refused:
    is_other = known.body_hash is not None and known.body_hash != command.body_hash
    if not is_other:
        # What still comes is still remembered: a file that stays where it is arrives again each day.
        tx.change("touch_delivery", (tx.now, known.id, tx.now - _TOUCH_AFTER_MS))
    if is_other or (known.state == DeliveryState.REFUSED and known.variant):
        tx.detail(split_trigger_name(command.trigger)[0], "refused:other_body")
        text = f"delivery {known.id} came under this key with another body" if is_other else known.note
        return Refused("other_body", text or "")
    first = tx.again and known.id == command.id
    return DeliveryStored(known.id, DeliveryState(known.state), known.run, first, known.note)


def apply_flow_control(
    tx: Transaction, trigger: str, by: str, pace: FlowControl, start: StartRun | None
) -> FlowControlDecision | Refused:
    """Let the pace rule on one arrival, and start its run if that says so. Refused busy = nothing was changed; it is to come again."""
    if pace.is_plain:
        return _start(tx, start, FlowControlDecision(DeliveryState.STARTED))
    tx.hold("pace", trigger, by)
    row = tx.one("count_held_deliveries", (trigger, by))
    held = HeldDeliveries(*row) if row is not None else HeldDeliveries()
    if is_full(held):
        return Refused("busy", f"{held.number} arrivals wait for their turn", retry_after_ms=_FULL_MS)
    mark = read_flow_control(tx, trigger, by)
    ruling = decide_delivery(pace, mark, held, tx.now)
    if ruling.state is DeliveryState.STARTED:
        answer = _start(tx, start, ruling)
        if isinstance(answer, Refused):
            return answer
        ruling = answer
    if ruling.replaces:
        tx.change("drop_held_deliveries", ("a newer one counts", tx.now, trigger, by))
    if ruling.state is DeliveryState.HELD:
        tx.ready = True
        if pace.batch is not None and ruling.due_at is not None:
            tx.change("advance_held_deliveries", (ruling.due_at, trigger, by))
    if ruling.state in (DeliveryState.HELD, DeliveryState.STARTED):
        write_flow_control(
            tx,
            trigger,
            by,
            pace,
            record_delivery(pace, mark, held, tx.now, started=ruling.state is DeliveryState.STARTED),
        )
    return ruling


def _start(tx: Transaction, start: StartRun | None, ruling: FlowControlDecision) -> FlowControlDecision | Refused:
    if start is None:
        return FlowControlDecision(DeliveryState.FAILED, note="no run can be made of it")
    answer = start_run(tx, start)
    if isinstance(answer, Refused):
        return answer if answer.code == "busy" else FlowControlDecision(DeliveryState.FAILED, note=answer.text)
    if answer.by_key or answer.run != start.id:
        return FlowControlDecision(DeliveryState.DROPPED, note=f"run {answer.run} has its run key")
    return ruling


def read_flow_control(tx: Transaction, trigger: str, by: str) -> FlowControlState:
    """Return what is remembered of a key."""
    row = tx.one("read_flow_control", (trigger, by))
    return FlowControlState() if row is None else flow_control_of_row(row)


def write_flow_control(tx: Transaction, trigger: str, by: str, pace: FlowControl, mark: FlowControlState) -> None:
    """Remember it for as long as the pace asks for it."""
    tx.change(
        "write_flow_control",
        (trigger, by, mark.counted_at, mark.started_at, mark.starts, mark.since_at, tx.now + pace.remembers),
    )


def _insert(
    tx: Transaction, c: AcceptDelivery, ruling: FlowControlDecision, run: str | None, known: KnownDelivery | None = None
) -> None:
    """Store an arrival, in place of one that was refused."""
    if known is not None:
        tx.change("release_delivery_key", (known.id,))
    tx.change("insert_delivery", row_of(tx, c, ruling, run))


def row_of(tx: Transaction, c: AcceptDelivery, ruling: FlowControlDecision, run: str | None) -> InsertedDelivery:
    """Return the row of an arrival. One that waits for its filter does not hold its key yet."""
    waits = c.filtered and ruling.state is DeliveryState.RECEIVED
    return InsertedDelivery(
        c.id,
        c.trigger,
        c.key,
        ruling.state.value,
        ruling.note,
        filtered=int(waits),
        name=c.name,
        body_hash=c.body_hash,
        body=c.body,
        data=c.data,
        headers=c.headers,
        by_key=c.by,
        verified=c.verified,
        run=run,
        due_at=ruling.due_at,
        redelivered=c.redelivered,
        variant=c.body_hash if waits else "",
        at=tx.now,
    )


def record_decision(tx: Transaction, command: DecideDelivery) -> DeliveryStored | Refused:
    """Decide on a delivery that was received, if nobody else did meanwhile."""
    c = command
    tx.hold("delivery", c.delivery)
    row = tx.one("read_delivery_state", (c.delivery,))
    if row is None:
        return Refused("changed", f"there is no delivery {c.delivery}")
    state, run, note, verified = row
    if state != DeliveryState.RECEIVED:
        first = tx.again and run == (None if run is None or c.start is None else c.start.id)
        return DeliveryStored(c.delivery, DeliveryState(state), run, first, note)
    ruling: FlowControlDecision | Refused = FlowControlDecision(c.state, note=c.note)
    if c.state is DeliveryState.STARTED:
        ruling = refuse_other_body(tx, c) or apply_flow_control(tx, c.trigger, c.by, c.pace, c.start)
    if isinstance(ruling, Refused):
        return ruling
    if ruling.state not in DELIVERY_MOVES[DeliveryState.RECEIVED]:
        raise ValueError(f"a received delivery cannot become {ruling.state}")
    run = c.start.id if c.start is not None and ruling.state is DeliveryState.STARTED else None
    tx.change("settle_delivery", (ruling.state.value, ruling.note, run, ruling.due_at, c.by, tx.now, c.delivery))
    if ruling.state is DeliveryState.REFUSED:
        trim_rejected_deliveries(tx, c.trigger, verified)
    elif c.state is DeliveryState.STARTED and c.key:
        tx.change("claim_delivery_key", (c.delivery,))
    return DeliveryStored(c.delivery, ruling.state, run, first=True, note=ruling.note)


def replay_delivery(tx: Transaction, command: ReplayDelivery) -> DeliveryStored | Refused:
    """Let a delivery arrive once more."""
    row = tx.one("read_delivery_input", (command.delivery,))
    if row is None:
        return Refused("not_found", f"there is no delivery {command.delivery}")
    if row[1] == key_of_rejected(command.delivery):
        return Refused(
            "not_kept", f"delivery {command.delivery} was turned away at the door, and its body was not kept as it came"
        )
    trigger, key, name, body_hash, body, data, headers, source, verified, _ = row
    found = tx.one("find_trigger", (trigger,))
    if found is None:
        return Refused("no_trigger", f"nothing is triggered by {trigger!r} any more")
    again = InsertedDelivery(
        command.id,
        trigger,
        f"{key}#{command.id}",
        DeliveryState.RECEIVED.value,
        filtered=int(bool(msgspec.json.decode(found[1]).get("filtered"))),
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
    tx.change("insert_delivery", again)
    tx.ready = True
    return DeliveryStored(command.id, DeliveryState.RECEIVED, None, first=True)


def release_source_key(tx: Transaction, command: ReleaseSourceKey) -> CommandDone | Refused:
    """Let a key count anew."""
    tx.hold("delivery", command.trigger, command.key)
    if tx.change("release_source_key", (command.trigger, command.key)) or tx.again:
        return DONE
    return Refused("not_found", f"nothing that is over arrived for {command.trigger!r} under this key")


def report_consumer(tx: Transaction, command: ReportConsumer) -> CommandDone:
    """Keep since when a desk can fetch."""
    c = command
    tx.change("report_consumer", (c.trigger, tx.session or 0, c.connected_at, c.away_since, c.why))
    return DONE


def record_filter_call(tx: Transaction, command: RecordFilterCall) -> CommandDone:
    """Keep who begins to ask these filters."""
    tx.change("record_filter_call", (tx.session or 0, json.dumps(command.deliveries)))
    return DONE
