"""Transitions of runs, many at a time: the end of each has no effect that another run could see."""

from collections.abc import Mapping, Sequence
from typing import Any

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.runs import AnnotateRun, CompleteRun, FinishRun, SuspendRun
from mainspring.store.postgres.arrays import columns, texts
from mainspring.store.postgres.bulk.batch_rule import BatchRule, publishes_nothing, run_of
from mainspring.store.postgres.bulk.deliveries import insert_delivery_rows
from mainspring.store.postgres.bulk.outbox import post_all
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.run_end_counts import count_end, count_ends, count_size
from mainspring.store.write import subscriptions
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import inbox, queue_capacity
from mainspring.store.write.runs.journal import encode_failure


def _suspend(tx: PostgresTransaction, commands: list[SuspendRun]) -> list[CommandDone | None]:
    """Let runs wait; those to which a fact came that their owner has not seen are ready at once."""
    tx.hold_all("run", [(c.run,) for c in commands])
    rows = [(c.run, c.claim, c.state, c.due_at, c.seen, c.rank, c.waiting_for) for c in commands]
    let_go = {row[0]: row[1:] for row in tx.all("suspend_runs", (*columns("tntnnnb", rows), tx.session, tx.now))}
    tx.ready |= any(ready for ready, _ in let_go.values())
    _announce_room(tx, let_go)
    return [DONE if c.run in let_go else None for c in commands]


def _alone(tx: PostgresTransaction, commands: Sequence[FinishRun]) -> list[bool]:
    """Tell of each run that ends whether nobody waits for that: no parent, child, watcher, partition, nor one that goes on for it."""
    tied = {row[0] for row in tx.all("list_linked_runs", (texts([c.run for c in commands]),))}
    return [c.then is None and not c.unheard and c.run not in tied for c in commands]


def _finish(tx: PostgresTransaction, commands: list[FinishRun]) -> list[CommandDone | None]:
    """End runs by their owners."""
    rows = [
        (
            c.run,
            c.claim,
            c.state,
            c.rank,
            c.result,
            encode_failure(c.failure),
            c.reason,
            c.failed_ident,
            c.detail,
            c.output_size,
        )
        for c in commands
    ]
    ended = {row[0]: row[1:] for row in tx.all("finish_runs", (*columns("tntnbbttbn", rows), tx.session, tx.now))}
    mine = [c for c in commands if c.run in ended]
    if mine:
        tx.ended += ended
        tx.later("close_waits_of_runs", (texts([c.run for c in mine]),))
        _follow(tx, [(*ended[c.run][:2], c.run, c.state) for c in mine])
        members.settle_members_of_ends(tx, [(c.run, c.state) for c in mine if ended[c.run][4]])
        for c in mine:
            automation, _, started_at, *_ = ended[c.run]
            count_end(tx, automation, c.state, started_at, c.reason)
            count_size(tx, automation, c.output_size)
        insert_delivery_rows(
            tx,
            [
                row
                for c in mine
                if ended[c.run][3]
                for row in subscriptions.delivery_rows_of_end(tx, c.run, ended[c.run][0], c.state)
            ],
        )
        _announce_room(tx, ended)
    return [DONE if c.run in ended else None for c in commands]


def _complete(tx: PostgresTransaction, commands: list[CompleteRun]) -> list[CommandDone | None]:
    """End runs of one step, each with its outcome; those whose end others of its line or its parent must see are left to the handler.

    Nobody holds them before: they are locked by being changed, in the order of their ids. Who waits for such a run is looked for
    afterwards: whoever began to wait meanwhile waited for that lock, and finds the run ended.
    """
    rows = [
        (c.run, c.claim, c.ident, c.name, c.started_at, c.at, c.took_us, c.input, c.output, c.output_size)
        for c in sorted(commands, key=run_of)
    ]
    said = (OutcomeKind.STEP, OutcomeState.SUCCEEDED, tx.session, tx.now)
    ended = {row[0]: row[1:] for row in tx.all("complete_runs", (*columns("tnttnnnbbn", rows), *said))}
    mine = [c for c in commands if c.run in ended]
    if mine:
        tx.ended += ended
        post_all(tx, mine)
        _follow(tx, [(*ended[c.run][:2], c.run, RunState.SUCCEEDED) for c in mine])
        members.settle_members_of_ends(tx, [(c.run, RunState.SUCCEEDED) for c in mine if ended[c.run][4]])
        took: dict[str, list[int]] = {}
        for automation, _, started_at, *_ in ended.values():
            took.setdefault(automation, []).append(tx.now - started_at)
        for c in mine:
            count_size(tx, ended[c.run][0], c.output_size)
        for automation, spans in took.items():
            tx.count(automation, steps=len(spans))
            count_ends(tx, automation, RunState.SUCCEEDED, spans)
        watched = {row[0] for row in tx.all("list_runs_waited_for", (texts([c.run for c in mine]),))}
        state = RunState.SUCCEEDED
        insert_delivery_rows(
            tx,
            [
                row
                for c in mine
                if ended[c.run][3]
                for row in subscriptions.delivery_rows_of_end(tx, c.run, c.automation, state)
            ],
        )
        for c in mine:
            if c.run in watched:
                inbox.deliver_end_to_waiting_runs(tx, c.run, c.automation, RunState.SUCCEEDED, c.output, None)
        _announce_room(tx, ended)
    return [DONE if c.run in ended else None for c in commands]


def _follow(tx: PostgresTransaction, ends: list[tuple[str, str | None, str, RunState]]) -> None:
    """Let run keys follow the runs that ended: (automation, key, run, state)."""
    keyed = [end for end in ends if end[1] is not None]
    if keyed:
        tx.later("set_run_key_states", columns("tttt", keyed))


def _announce_room(tx: PostgresTransaction, rows: Mapping[str, tuple[Any, ...]]) -> None:
    """Announce the room that these runs leave; the last column names the queue if it has a limit."""
    queue_capacity.announce_capacity(tx, sorted({row[-1] for row in rows.values()} - {None}))


def _annotate(tx: PostgresTransaction, commands: list[AnnotateRun]) -> list[CommandDone | None]:
    """Keep what running bodies say about themselves."""
    rows = [(c.run, c.claim, c.tags, c.progress, c.published, c.detail) for c in commands]
    kept = {row[0] for row in tx.all("annotate_runs", (*columns("tnbbbb", rows), tx.session))}
    return [DONE if c.run in kept else None for c in commands]


SUSPENSIONS = BatchRule(_suspend, run_of)
ENDS = BatchRule(_finish, run_of, plain=_alone)
COMPLETIONS = BatchRule(_complete, run_of, plain=publishes_nothing)
ANNOTATIONS = BatchRule(_annotate, run_of)
