"""Updates of runs: a request is stored and gets one reply, by the code of the run or by the end of the run."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.runs.update import REPLY_SUFFIX, make_update_id
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.results import DONE, CommandDone, Refused, UpdateStored
from mainspring.store.commands.updates import RejectUpdate, RequestUpdate, StartWithUpdate, UpdateRequest
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import inbox
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner, read_receiving_run
from mainspring.store.write.runs.start import start_run

_ONLY_WORKFLOWS = "only a workflow receives updates"
_RUN_ENDED = Failure("RunEnded", "run_ended", "the run ended before it replied")


def request_update(tx: Transaction, command: RequestUpdate) -> UpdateStored | Refused:
    """Store an update in the inbox of a run, and wake the run; the same request again finds the first one."""
    run = command.run
    tx.hold("run", run)
    receiver = read_receiving_run(tx, run)
    if receiver is None or receiver.is_finished:
        successor = tx.value("find_newest_of_chain", (run,), str)
        if successor is not None and successor != run:
            return request_update(tx, msgspec.structs.replace(command, run=successor))
    if receiver is None:
        return Refused("not_found", f"there is no run {run}")
    if receiver.kind != DefinitionKind.WORKFLOW:
        return Refused("no_workflow", f"run {run} is a {receiver.kind}: {_ONLY_WORKFLOWS}")
    update = command.update
    first_run = tx.value("find_first_of_chain", (run,), str) or run
    id = make_update_id(first_run, update.request_id)
    known = tx.first("read_update_request", (id,))
    if known is not None:
        owner, name, input_hash = known
        if (name, input_hash) != (update.name, update.input_hash):
            text = f"the id {update.request_id!r} was used for another update of run {owner}"
            return Refused("update_conflict", text)
        return UpdateStored(id, owner, created=False)
    if receiver.is_finished:
        return Refused("finished", f"run {run} is {receiver.state}")
    if not inbox.is_readable(update.input, receiver.codec):
        text = f"the values of run {run} are sealed by codec {receiver.codec!r}, this one is not"
        return Refused("sealed_otherwise", text)
    _insert_update(tx, run, id, first_run, update)
    return UpdateStored(id, run, created=True)


def _insert_update(tx: Transaction, run: str, id: str, first_run: str, update: UpdateRequest) -> None:
    inbox.insert_fact(tx, run, FactKind.UPDATE, update.name, None, update.input, None, id)
    values = {
        "id": id,
        "run": run,
        "first_run": first_run,
        "request_id": update.request_id,
        "name": update.name,
        "input_hash": update.input_hash,
        "now": tx.now,
    }
    tx.change("insert_update", values)


def start_with_update(tx: Transaction, command: StartWithUpdate) -> UpdateStored | Refused:
    """Start a run, or find it by its key, and store an update of it."""
    if command.start.kind != DefinitionKind.WORKFLOW:  # a new run never refuses its update after this
        return Refused("no_workflow", f"{command.start.automation} is a {command.start.kind}: {_ONLY_WORKFLOWS}")
    started = start_run(tx, command.start)
    if isinstance(started, Refused):
        return started
    stored = request_update(tx, RequestUpdate(started.run, command.update))
    if isinstance(stored, Refused):
        return stored
    return msgspec.structs.replace(stored, created_run=started.created)


def reject_update(tx: Transaction, command: RejectUpdate) -> CommandDone | Refused:
    """Reject an update: its fact goes, and the reason is its reply."""
    c = command
    tx.hold("run", c.run)
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    values = {"run": c.run, "seq": c.seq, "now": tx.now, "failure": msgspec.json.encode(c.failure)}
    tx.ended += tx.values("reject_update", values, str)
    tx.change("consume_fact", (c.seq, c.run))
    return DONE


def accept_update(tx: Transaction, run: str, ident: str, seq: int) -> None:
    """Note that the code of the run accepted an update; the outcome in the journal has this identity."""
    tx.change("accept_update", {"run": run, "ident": ident, "seq": seq})


def save_reply(tx: Transaction, outcome: SaveOutcome) -> None:
    """Save the reply of a handler. A reply that was given before stays."""
    failure = None if outcome.failure is None else msgspec.json.encode(outcome.failure)
    query = "complete_update" if failure is None else "fail_update"
    ident = outcome.ident.removesuffix(REPLY_SUFFIX)
    values = {
        "run": outcome.run,
        "ident": ident,
        "now": tx.now,
        "reply": outcome.output if failure is None else failure,
    }
    tx.ended += tx.values(query, values, str)


def end_open_updates(tx: Transaction, run: str) -> None:
    """Reply to the updates of a run that ended. Those that it had not accepted never happen, also if the run is continued."""
    tx.change("delete_update_facts", (run,))
    values = {"run": run, "now": tx.now, "failure": msgspec.json.encode(_RUN_ENDED)}
    tx.ended += tx.values("end_open_updates", values, str)


def return_superseded_updates(tx: Transaction, run: str) -> None:
    """Return to the inbox the updates whose acceptance no longer counts, in their order; a reply that was given stays, marked."""
    tx.change("return_superseded_updates", (run,))
    if tx.change("mark_superseded_updates", (run,)):
        tx.facts = True


def return_update(tx: Transaction, run: str, seq: int) -> None:
    """Return an update that was accepted after the body had ended: the run that continues it gets it."""
    tx.change("return_update", {"run": run, "seq": seq})
    tx.change("receive_update_again", {"run": run, "seq": seq})
