"""The inbox of a run: the fact of a source counts once per run and kind; a waiting run wakes, its owner is notified."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import format_iso
from mainspring.domain.values.sealing import PLAIN_SEALING, codec_of
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.schema.runs.runs import ENDED_CHILD
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs.ownership import read_receiving_run

_CANCELLED = Failure("Cancelled", "cancelled", "the child was cancelled")
_NO_REASON = Failure("RunFailed", "run_failed", "the child ended without success and left no failure")


def deliver_fact(tx: Transaction, command: DeliverFact) -> CommandDone | Refused:
    """Insert a fact into one run's inbox and wake the run."""
    c = command
    if c.key is not None:
        automation, key = c.key
        run = tx.value("find_run_of_key", (automation, key), str)
        if run is None:
            return Refused("not_found", f"no run of {automation} has the key {key!r}")
        return deliver_fact(tx, msgspec.structs.replace(c, run=run, key=None))
    tx.hold("run", c.run)
    found = read_receiving_run(tx, c.run)
    if found is None:  # or it was pruned, and another run continues it
        successor = tx.value("find_newest_of_chain", (c.run,), str)
        missing = Refused("not_found", f"there is no run {c.run}")
        return missing if successor is None else deliver_fact(tx, msgspec.structs.replace(c, run=successor))
    # Also without `tx.again`: the sender may have died after the delivery, and the receiver may have ended since.
    if (tx.again or found.is_finished) and tx.first("has_fact_receipt", (c.run, c.kind, c.source)) is not None:
        return DONE
    if found.is_finished:
        successor = tx.value("find_newest_of_chain", (c.run,), str)
        if successor is None or successor == c.run:
            return Refused("finished", f"run {c.run} is {found.state}")
        return deliver_fact(tx, msgspec.structs.replace(c, run=successor))
    if c.payload is not None and not is_readable(c.payload, found.codec):
        return Refused(
            "sealed_otherwise", f"the values of run {c.run} are sealed by codec {found.codec!r}, this one is not"
        )
    ident = c.ident
    if c.kind is FactKind.ANSWER:
        if tx.first("has_fact_receipt", (c.run, c.kind, c.source)) is not None:
            return DONE
        question = _find_question(tx, c.run, ident)
        if isinstance(question, Refused):
            return question
        ident = question
        tx.change("fill_wait", (1, c.run, ident))
        tx.change("delete_rejected_answers", (c.run, ident))
    insert_fact_once(tx, c.run, c.kind, c.name, c.source, ident=ident, payload=c.payload, failure=c.failure)
    return DONE


def _find_question(tx: Transaction, run: str, ident: str | None) -> str | Refused:
    """Return the identity of the question that an answer of this instant is for."""
    rows = tx.all("list_open_questions", (run, ident))
    questions = [question for question, until_at in rows if until_at is None or until_at > tx.now]
    if len(questions) == 1:
        (question,) = questions
        return str(question)
    if rows and not questions:
        until_at, question = max((until_at, question) for question, until_at in rows)
        return Refused("question_over", f"run {run}: the time of question {question} ended at {format_iso(until_at)}")
    problem = "more than one question; name one" if questions else "no such open question"
    return Refused("no_such_question", f"run {run} has {problem}")


def is_readable(payload: bytes, codec: str) -> bool:
    """Tell whether a worker of a run with this codec can read the value. A run that started plain may get sealed ones."""
    return codec in (PLAIN_SEALING.id, codec_of(payload))


def insert_fact_once(
    tx: Transaction,
    run: str,
    kind: FactKind,
    name: str,
    source: str,
    *,
    ident: str | None = None,
    payload: bytes | None = None,
    failure: Failure | None = None,
    at: int | None = None,
) -> bool:
    """Insert a fact and wake its run. False = this run has a fact of this source. `at` = when it happened, if earlier."""
    tx.hold("run", run)
    if not tx.change("insert_fact_receipt", (run, kind, source)):
        return False
    insert_fact(tx, run, kind, name, ident, payload, failure, source, at)
    return True


def insert_fact(
    tx: Transaction,
    run: str,
    kind: FactKind,
    name: str,
    ident: str | None,
    payload: bytes | None,
    failure: Failure | None,
    source: str,
    at: int | None = None,
) -> None:
    """Insert a fact, notify an owner, wake a waiting run."""
    tx.hold("run", run)
    encoded = None if failure is None else msgspec.json.encode(failure)
    tx.change("insert_fact", (run, kind, name, ident, payload, encoded, source, tx.now if at is None else at))
    tx.facts = True
    if tx.change("wake_run", (tx.now, run)):
        tx.ready = True


def cancel_fact(tx: Transaction, run: str, source: str, reason: str | None, *, undo: bool | None) -> None:
    """Send a run the request to stop, and whether to undo its steps."""
    payload = None if undo is None else msgspec.json.encode(undo)
    insert_fact_once(tx, run, FactKind.CANCEL, reason or "", source, payload=payload)


def deliver_end_to_parent(
    tx: Transaction,
    child: str,
    automation: str,
    parent: str,
    ident: str,
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
) -> None:
    """Deliver a child's end to the run that requested it; it contains a failure exactly if the child did not succeed.

    A child may end more than once (a person continued it): the last end replaces one that was not yet consumed.
    """
    tx.hold("run", parent)
    found = read_receiving_run(tx, parent)
    if found is None or found.is_finished:
        return
    if state is RunState.CANCELLED:
        failure = failure or _CANCELLED
    elif state is RunState.FAILED:
        failure = failure or _NO_REASON
    tx.change("delete_child_fact", (parent, child))
    insert_fact(tx, parent, FactKind.CHILD, automation, ident, result, failure, child)


def redeliver_end_to_parent(tx: Transaction, child: str) -> None:
    """Deliver the end of a child that was requested again (its first outcome no longer counts), unless it is in the
    inbox.

    A fact in the inbox stays as it is: its owner may be about to consume it by its number, and a second one would never
    be removed.
    """
    end = ENDED_CHILD.read_first(tx.all("read_ended_child", (child,)))
    if end is None or end.parent is None or end.parent_ident is None:
        return
    if tx.first("has_child_fact", (end.parent, child)) is not None:
        return
    deliver_end_to_parent(tx, child, end.automation, end.parent, end.parent_ident, end.state, end.result, end.failure)


def deliver_end_to_waiting_runs(
    tx: Transaction, run: str, automation: str, state: RunState, result: bytes | None, failure: Failure | None
) -> None:
    """Deliver a run's end to the other runs that found it by its key and wait for it."""
    for watcher, ident in tx.all("list_waits_for_run", (run,)):
        _notify_watcher(tx, run, automation, watcher, ident, state, result, failure)


def deliver_past_end(tx: Transaction, watched: str, watcher: str, ident: str) -> None:
    """Deliver the end of a run that had ended before the watcher began to wait."""
    tx.hold("run", watched)
    end = ENDED_CHILD.read_first(tx.all("read_ended_child", (watched,)))
    if end is not None:
        _notify_watcher(tx, watched, end.automation, watcher, ident, end.state, end.result, end.failure)


def _notify_watcher(
    tx: Transaction,
    run: str,
    automation: str,
    watcher: str,
    ident: str,
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
) -> None:
    if state is RunState.CANCELLED:
        failure = failure or _CANCELLED
    elif state is RunState.FAILED:
        failure = failure or _NO_REASON
    tx.change("fill_wait", (1, watcher, ident))
    insert_fact(tx, watcher, FactKind.CHILD, automation, ident, result, failure, f"{run}:{ident}")
