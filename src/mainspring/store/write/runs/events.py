"""Events and their waits: matched by hash when an event is published and when a wait is opened; an event counts once
per run.
"""

import msgspec

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.triggers.event_matching import event_hash, match_hash, match_paths
from mainspring.store.commands.inbox import CloseWait, ExpireWait, OpenWait, PublishEvent, ReturnFact
from mainspring.store.commands.results import DONE, CommandDone, InboxFacts, NumberAnswer, Refused
from mainspring.store.schema.messages.events import STORED_EVENT
from mainspring.store.schema.messages.inbox import FACT
from mainspring.store.schema.runs.journal import CURRENT_OUTCOME
from mainspring.store.transaction import Transaction
from mainspring.store.write import subscriptions
from mainspring.store.write.runs import inbox, message_schemas
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner

_decode = msgspec.json.decode


def publish_event(tx: Transaction, command: PublishEvent) -> NumberAnswer | Refused:
    """Store an event and deliver it to the waiting runs."""
    tx.hold("event", command.name)
    woken_before = tx.value("find_event", (command.id,), int)
    if woken_before is not None:
        return NumberAnswer(woken_before if tx.again else 0)
    data = _decode(tx.sealing.open(command.data))
    shapes = [_decode(shape) for (shape,) in tx.all("list_event_shapes", (command.name,))]
    hashes = [hashed for shape in shapes if (hashed := event_hash(command.name, shape, data)) is not None]
    waits: list[tuple[str, str]] = [
        wait for hashed in hashes for wait in tx.all("list_matching_waits", (hashed, tx.now))
    ]
    if command.checked and waits and not subscriptions.has_subscriber(tx, command.name, data):
        unreadable = message_schemas.refuse_unreadable_event(tx, waits, command.name, data)
        if unreadable is not None:
            return unreadable
    values = (command.id, command.name, command.key, command.data, tx.now, command.keep_until)
    seq = tx.value("insert_event", values, int)
    if seq is None:
        return NumberAnswer(0)
    subscriptions.deliver_event(tx, command.id, command.name, data, command.headers)
    for hashed in hashes:
        tx.change("insert_event_match", (hashed, seq))
    tx.hold_all("run", {(run,) for run, _ in waits})
    woken: set[str] = set()
    for run, ident in waits:
        if run not in woken and _fill_wait(tx, run, ident, command.id, command.name, command.data, tx.now):
            woken.add(run)
    if woken:
        tx.change("set_event_woken", (len(woken), seq))
    return NumberAnswer(len(woken))


def _fill_wait(tx: Transaction, run: str, ident: str, event: str, name: str, data: bytes, at: int) -> bool:
    """Deliver an event of the instant `at` to one wait, unless its run had it before, or the wait is already closed."""
    tx.hold("run", run)
    is_filled = tx.value("find_wait", (run, ident), int)
    if (
        is_filled is None
        or is_filled
        or not inbox.insert_fact_once(tx, run, FactKind.EVENT, name, event, ident=ident, payload=data, at=at)
    ):
        return False
    tx.change("fill_wait", (1, run, ident))
    return True


def open_wait(tx: Transaction, command: OpenWait) -> CommandDone | Refused:
    """Record a wait of a run; a stored event for it is delivered at once."""
    c = command
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    if tx.value("find_wait", (c.run, c.ident), int):
        return DONE
    if tx.again and _is_answered(tx, c.run, c.ident):
        return DONE  # opened again, it would consume the event of the next wait
    shape = hashed = since_at = None
    name = _find_last_successor(tx, c.name) if c.kind == "run" else c.name
    if c.kind == "event":
        tx.hold("event", c.name)
        tx.hold("run", c.run)  # a person may be returning an event now
        where = c.where or {}
        shape, hashed = msgspec.json.encode(match_paths(where)).decode(), match_hash(c.name, where)
        since_at = c.since_at if c.since_at is not None else _window_at(tx, c.run)
        _record_shape(tx, c.name, shape)
    tx.change(
        "open_wait",
        (
            c.run,
            c.ident,
            c.kind,
            name,
            shape,
            hashed,
            since_at,
            c.until_at,
            c.question,
            tx.now,
            c.request_number,
            c.schema,
            tx.session,
            *msgspec.structs.astuple(c.plan),
        ),
    )
    if hashed is not None and since_at is not None:
        _fill_from_stored(tx, c.run, c.ident, hashed, since_at, c.until_at)
    if c.kind == "run":
        inbox.deliver_past_end(tx, name, c.run, c.ident)
    return DONE


def _is_answered(tx: Transaction, run: str, ident: str) -> bool:
    """Tell whether a request has its outcome. An abandoned request may be repeated."""
    outcome = CURRENT_OUTCOME.read_first(tx.all("find_current_outcome", (run, ident)))
    return outcome is not None and outcome.state is not OutcomeState.CANCELLED


def _find_last_successor(tx: Transaction, run: str) -> str:
    """Return the last run that continues this one; itself if there is none. No further one can start before our commit."""
    while True:
        tx.hold("run", run)
        successor = tx.value("find_newest_of_chain", (run,), str)
        if successor is None or successor == run:
            return run
        run = successor


def _window_at(tx: Transaction, run: str) -> int:
    """Return since when events count for a run: since its creation, or that of the first run which it continues."""
    since_at = tx.value("find_event_window_start", (run,), int)
    return tx.now if since_at is None else since_at


def _record_shape(tx: Transaction, name: str, shape: str) -> None:
    """Record a shape; if it is new, hash the stored events of this name for it."""
    if not tx.change("insert_event_shape", (name, shape)):
        return
    paths = _decode(shape)
    for seq, data in tx.all("list_events_named", (name,)):
        hashed = event_hash(name, paths, _decode(tx.sealing.open(data)))
        if hashed is not None:
            tx.change("insert_event_match", (hashed, seq))


def _fill_from_stored(tx: Transaction, run: str, ident: str, hashed: str, since_at: int, until_at: int | None) -> None:
    """Give a wait the first stored event that its chain has not counted, and record up to where all are counted, for
    the next wait.

    An event published at or after `until_at` stays for the next wait.
    """
    event = STORED_EVENT.read_first(tx.all("find_stored_event", (hashed, since_at, tx.now, run)))
    measured = tx.first("find_match_range", (hashed,))
    first, last = measured if measured is not None else (None, None)
    if first is not None and (event is None or event.seq > first):
        tx.change("raise_event_cursor", (run, hashed, since_at, last if event is None else event.seq - 1))
    if event is not None and (until_at is None or event.at < until_at):
        _fill_wait(tx, run, ident, event.id, event.name, event.data, event.at)


def free_event(tx: Transaction, run: str, event: str) -> None:
    """Let an event count again for a run and its chain: it was delivered and not consumed."""
    tx.change("delete_fact_receipt", (run, FactKind.EVENT, event))
    tx.change("lower_event_cursors", (run, event))


def free_inbox_events(tx: Transaction, run: str) -> None:
    """Let the events in the inbox of a run that ends count again: the run that continues it may wait for them."""
    for seq, event in tx.all("list_inbox_events", (run,)):
        tx.change("consume_fact", (seq, run))
        free_event(tx, run, event)


def close_wait(tx: Transaction, command: CloseWait) -> CommandDone | Refused:
    """Close a wait. An event that was delivered for it is free again for the run's other waits."""
    c = command
    tx.hold("run", c.run)
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    _close_wait(tx, c.run, c.ident)
    return DONE


def expire_wait(tx: Transaction, command: ExpireWait) -> InboxFacts | Refused:
    """Close a wait whose time ended, unless a fact arrived in time; return the inbox, which may contain a signal that
    arrived in time.
    """
    c = command
    tx.hold("run", c.run)
    if not is_run_owner(tx, c.run, c.claim):
        owner = answer_lost_claim(tx, c.run, c.claim)
        return owner if isinstance(owner, Refused) else InboxFacts(())
    facts = tuple(FACT.read_all(tx.all("list_inbox", (c.run,))))
    if not any(fact.ident == c.ident for fact in facts):
        _close_wait(tx, c.run, c.ident)
    return InboxFacts(facts)


def refill_wait(tx: Transaction, run: str, ident: str) -> None:
    """Give a wait whose event the code could not read the next stored event for it."""
    tx.change("fill_wait", (0, run, ident))
    row = tx.first("read_event_wait", (run, ident))
    if row is not None:
        _fill_from_stored(tx, run, ident, *row)


def return_fact(tx: Transaction, command: ReturnFact) -> CommandDone | Refused:
    """Return a fact that was consumed for an abandoned wait: the next wait for it gets it."""
    c = command
    if c.event is not None:
        tx.hold("event", c.name)
    tx.hold("run", c.run)
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    if not tx.change("cancel_outcome", (c.run, c.rank)):
        return DONE  # by its first sending
    if c.kind is FactKind.UPDATE:
        from mainspring.store.write.runs import updates  # noqa: PLC0415 - few runs have updates

        updates.return_update(tx, c.run, c.seq)
        return DONE
    if c.event is None:
        tx.change("return_fact", (c.seq, c.run, c.name, c.payload, f"returned:{c.rank}", c.at))
        return DONE
    free_event(tx, c.run, c.event)
    _fill_open_waits(tx, c.run)
    tx.facts = True
    return DONE


def supersede_waits(tx: Transaction, run: str, from_request: int) -> None:
    """Close the waits of a run from a request on, and release their events."""
    for ident, kind, name in tx.all("list_waits_requested_from", (run, from_request)):
        _close_wait(tx, run, ident)
        if kind == "run":
            tx.change("delete_child_fact", (run, f"{name}:{ident}"))


def _close_wait(tx: Transaction, run: str, ident: str) -> None:
    tx.change("close_wait", (run, ident))
    freed = False
    for kind, source in tx.all("delete_facts_of_wait", (run, ident)):
        if kind == FactKind.EVENT:
            free_event(tx, run, source)
            freed = True
    if freed:  # waits of other conditions too: one event may fit several
        _fill_open_waits(tx, run)


def _fill_open_waits(tx: Transaction, run: str) -> None:
    for ident, hashed, since_at, until_at in tx.all("list_event_waits", (run,)):
        _fill_from_stored(tx, run, ident, hashed, since_at, until_at)
