"""Rejected facts: signals, events and answers for a run that its code cannot read. The run continues to wait; a person decides.

A rejected fact is removed from the inbox, so that it blocks nothing, and counts as delivered: the run does not get it
again by itself.
"""

from mainspring.domain.runs.journal import Fact, FactKind
from mainspring.store.commands.inbox import DropRejectedFacts, RejectFact
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.schema.messages.rejected_facts import REJECTED_ROW
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import events, inbox
from mainspring.store.write.runs.journal import encode_failure
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner, read_receiving_run


def reject_fact(tx: Transaction, command: RejectFact) -> CommandDone | Refused:
    """Move a fact from the inbox to the rejected ones, with the reason; its wait gets the next stored event."""
    c = command
    if c.event is not None:
        tx.hold("event", c.event)  # a publisher at this moment does not see the wait as open
    tx.hold("run", c.run)
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    if not tx.change("reject_fact", (c.seq, c.run, encode_failure(c.failure), tx.now)):
        return DONE  # by its first sending
    ident = tx.value("find_ident_of_fact", (c.seq, c.run), str)
    tx.change("consume_fact", (c.seq, c.run))
    if ident is not None:
        events.refill_wait(tx, c.run, ident)
        tx.facts = True
    return DONE


def read_again(tx: Transaction, run: str) -> bool:
    """Deliver the rejected facts of a run again, because its code may have changed. False = there are none."""
    tx.hold("run", run)
    found = read_receiving_run(tx, run)
    if found is None or found.is_finished:
        return False
    rejected = [row.fact for row in REJECTED_ROW.read_all(tx.all("list_rejected_facts", (run,)))]
    tx.change("delete_rejected_facts", (run,))
    for fact in rejected:
        if fact.kind is FactKind.EVENT:
            _offer_event(tx, fact)
        elif fact.kind is FactKind.ANSWER:
            _offer_answer(tx, fact)
        else:
            inbox.insert_fact(tx, run, fact.kind, fact.name, None, fact.payload, None, fact.source or "", fact.at)
    return bool(rejected)


def _offer_answer(tx: Transaction, fact: Fact) -> None:
    """Deliver an answer again, if its question is still open."""
    if tx.value("find_wait", (fact.run, fact.ident), int) == 0:
        tx.change("fill_wait", (1, fact.run, fact.ident))
        inbox.insert_fact(
            tx, fact.run, fact.kind, fact.name, fact.ident, fact.payload, None, fact.source or "", fact.at
        )


def _offer_event(tx: Transaction, fact: Fact) -> None:
    """Deliver an event to its earlier wait; if that is closed, to any wait that it fits, if the event is still stored."""
    run, source = fact.run, fact.source or ""
    if tx.value("find_wait", (run, fact.ident), int) == 0:
        tx.change("fill_wait", (1, run, fact.ident))
        inbox.insert_fact(tx, run, fact.kind, fact.name, fact.ident, fact.payload, None, source, fact.at)
        return
    events.free_event(tx, run, source)
    for ident, *_ in tx.all("list_event_waits", (run,)):
        events.refill_wait(tx, run, ident)


def drop_rejected_facts(tx: Transaction, command: DropRejectedFacts) -> NumberAnswer | Refused:
    """Delete the rejected facts of a run, because a person decided that they do not matter."""
    tx.hold("run", command.run)
    if read_receiving_run(tx, command.run) is None:
        return Refused("not_found", f"there is no run {command.run}")
    number = tx.change("delete_rejected_facts", (command.run,))
    if not number and not tx.again:
        return Refused("nothing_rejected", f"run {command.run} has rejected no signal, event or answer")
    return NumberAnswer(number)
