"""Queries of runs: stored for a worker, answered by the first one that can."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.store.commands.queries import AcceptQuery, AnswerQuery, AskQuery
from mainspring.store.commands.results import DONE, CommandDone, QueryStored, Refused
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import inbox
from mainspring.store.write.runs.ownership import read_receiving_run

_RETRY_AFTER_MS = 1_000
_DELETED_AT_ONCE = 20


def ask_query(tx: Transaction, command: AskQuery) -> QueryStored | Refused:
    """Store a query, if a live worker has the code of its run. Delete some that no caller waits for any more."""
    c = command
    run = tx.value("find_newest_of_chain", (c.run,), str) or c.run
    receiver = read_receiving_run(tx, run)
    if receiver is None:
        return Refused("not_found", f"there is no run {c.run}")
    if receiver.kind != DefinitionKind.WORKFLOW:
        return Refused("no_workflow", f"run {run} is a {receiver.kind}: only a workflow answers queries")
    if not inbox.is_readable(c.input, receiver.codec):
        text = f"the values of run {run} are sealed by codec {receiver.codec!r}, this one is not"
        return Refused("sealed_otherwise", text)
    missing = tx.first("find_missing_worker", (run,))
    if missing is not None:
        automation, version = missing
        text = f"no running worker has loaded {automation} version {version}, so none can answer a query"
        return Refused("busy", text, _RETRY_AFTER_MS)
    tx.change("delete_old_queries", (tx.now, _DELETED_AT_ONCE))
    values = {"id": c.id, "run": run, "name": c.name, "input": c.input, "until": tx.now + c.within_ms}
    tx.change("insert_query", values)
    tx.facts = True
    return QueryStored(c.id, run)


def accept_query(tx: Transaction, command: AcceptQuery) -> CommandDone | Refused:
    """Accept a query for one session: a query that stops its worker does not go to the next one."""
    if tx.change("accept_query", (command.id, tx.session)):
        return DONE
    if tx.again and tx.first("is_query_accepted", (command.id, tx.session)) is not None:
        return DONE
    return Refused("accepted", f"another worker answers query {command.id}")


def answer_query(tx: Transaction, command: AnswerQuery) -> CommandDone:
    """Answer a query, unless another worker has."""
    failure = None if command.failure is None else msgspec.json.encode(command.failure)
    values = {"id": command.id, "now": tx.now, "result": command.result, "failure": failure}
    if tx.change("answer_query", values):
        tx.ended.append(command.id)
    return DONE
