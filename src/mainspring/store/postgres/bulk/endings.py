"""Letting runs go, many at a time: what follows from the end of each is nothing that another run could see."""

from collections.abc import Sequence

from mainspring.store.commands.results import DONE, Done
from mainspring.store.commands.runs import Annotate, Finish, Suspend
from mainspring.store.handlers.endings import count_end
from mainspring.store.handlers.journal import encode_failure
from mainspring.store.postgres.arrays import columns, texts
from mainspring.store.postgres.bulk.journal import save_outcomes
from mainspring.store.postgres.bulk.kind import Kind, run_of
from mainspring.store.postgres.transaction import PostgresTransaction


def _suspend(tx: PostgresTransaction, commands: list[Suspend]) -> list[Done | None]:
    """Let runs wait; those to which a fact came that their owner has not seen are ready at once."""
    tx.hold_all("run", [(c.run,) for c in commands])
    rows = [(c.run, c.claim, c.state, c.due_at, c.seen, c.rank, c.waiting_for) for c in commands]
    let_go = dict(tx.all("suspend_runs", (*columns("tntnnnb", rows), tx.session, tx.now)))
    tx.ready |= any(let_go.values())
    return [DONE if c.run in let_go else None for c in commands]


def _alone(tx: PostgresTransaction, commands: Sequence[Finish]) -> list[bool]:
    """Tell of each run that ends whether nobody waits for that: no parent, child, watcher, partition, nor one that goes on for it."""
    tied = {row[0] for row in tx.all("list_tied", (texts([c.run for c in commands]),))}
    return [c.then is None and c.run not in tied for c in commands]


def _finish(tx: PostgresTransaction, commands: list[Finish]) -> list[Done | None]:
    """End runs by their owners, each after its last outcome."""
    last = [c.last for c in commands if c.last is not None]
    saved = (
        {c.run for c, answer in zip(last, save_outcomes(tx, last), strict=True) if answer is not None}
        if last
        else set()
    )
    ended = _end(tx, [c for c in commands if c.last is None or c.run in saved])
    return [DONE if c.run in ended else None for c in commands]


def _end(tx: PostgresTransaction, commands: list[Finish]) -> set[str]:
    """End runs with all that follows from it; return which."""
    rows = [
        (c.run, c.claim, c.state, c.rank, c.result, encode_failure(c.failure), c.reason, c.failed_ident, c.detail)
        for c in commands
    ]
    if not rows:
        return set()
    ended = {row[0]: row[1:] for row in tx.all("finish_runs", (*columns("tntnbbttb", rows), tx.session, tx.now))}
    mine = [c for c in commands if c.run in ended]
    if not mine:
        return set()
    tx.later("close_waits_of_runs", (texts([c.run for c in mine]),))
    keyed = [(ended[c.run][0], ended[c.run][1], c.run, c.state) for c in mine if ended[c.run][1] is not None]
    if keyed:
        tx.later("set_run_key_states", columns("tttt", keyed))
    for c in mine:
        automation, _, started_at = ended[c.run]
        count_end(tx, automation, c.state, started_at, c.reason)
    return set(ended)


def _annotate(tx: PostgresTransaction, commands: list[Annotate]) -> list[Done | None]:
    """Keep what running bodies say about themselves."""
    rows = [(c.run, c.claim, c.tags, c.progress, c.published, c.detail) for c in commands]
    kept = {row[0] for row in tx.all("annotate_runs", (*columns("tnbbbb", rows), tx.session))}
    return [DONE if c.run in kept else None for c in commands]


SUSPENSIONS = Kind(_suspend, run_of)
ENDS = Kind(_finish, run_of, plain=_alone)
ANNOTATIONS = Kind(_annotate, run_of)
