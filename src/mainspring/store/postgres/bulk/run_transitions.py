"""Transitions of runs in bulk: those without an effect that another run could see."""

from collections.abc import Iterable, Sequence

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.runs import AnnotateRun, CompleteRun, FinishRun, SuspendRun
from mainspring.store.postgres.arrays import columns, texts
from mainspring.store.postgres.bulk.batch_rule import BatchRule, publishes_nothing, run_of
from mainspring.store.postgres.bulk.deliveries import insert_delivery_rows
from mainspring.store.postgres.bulk.journal import save_records
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.run_end_counts import count_end, count_ends, count_size
from mainspring.store.schema.runs.runs import ENDED_IN_BULK, SUSPENDED_IN_BULK, EndedInBulk, SuspendedInBulk
from mainspring.store.write import subscriptions
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import inbox, queue_capacity, run_keys
from mainspring.store.write.runs.journal import encode_failure


def _suspend(tx: PostgresTransaction, commands: list[SuspendRun]) -> list[CommandDone | None]:
    """Suspend runs; those with a fact that their owner has not seen are ready at once."""
    tx.hold_all("run", [(c.run,) for c in commands])
    rows = [(c.run, c.claim, c.state, c.due_at, c.seen, c.rank, c.waiting_for) for c in commands]
    suspended = SUSPENDED_IN_BULK.read_all(tx.all("suspend_runs", (*columns("tntnnnb", rows), tx.session, tx.now)))
    tx.ready |= any(run.ready for run in suspended)
    _announce_capacity(tx, suspended)
    suspended_ids = {run.id for run in suspended}
    return [DONE if c.run in suspended_ids else None for c in commands]


def _find_unlinked(tx: PostgresTransaction, commands: Sequence[FinishRun]) -> list[bool]:
    """Tell for each run that ends whether no other run depends on it: no parent, child, watcher, partition or
    successor.
    """
    linked = set(tx.values("list_linked_runs", (texts([c.run for c in commands]),), str))
    return [c.then is None and not c.unhandled and c.run not in linked for c in commands]


def _finish(tx: PostgresTransaction, commands: list[FinishRun]) -> list[CommandDone | None]:
    """End runs for their owners."""
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
    found = ENDED_IN_BULK.read_all(tx.all("finish_runs", (*columns("tntnbbttbn", rows), tx.session, tx.now)))
    ended = {run.id: run for run in found}
    own_commands = [c for c in commands if c.run in ended]
    if own_commands:
        tx.ended += ended
        tx.later("close_waits_of_runs", (texts([c.run for c in own_commands]),))
        _update_run_keys(tx, [(ended[c.run], c.state) for c in own_commands])
        members.settle_members_of_ends(tx, [(c.run, c.state) for c in own_commands if ended[c.run].is_member])
        for c in own_commands:
            run = ended[c.run]
            count_end(tx, run.automation, c.state, run.started_at, c.reason)
            count_size(tx, run.automation, c.output_size)
        insert_delivery_rows(
            tx,
            [
                row
                for c in own_commands
                if ended[c.run].has_subscribers
                for row in subscriptions.delivery_rows_of_end(tx, c.run, ended[c.run].automation, c.state)
            ],
        )
        _announce_capacity(tx, ended.values())
    return [DONE if c.run in ended else None for c in commands]


def _complete(tx: PostgresTransaction, commands: list[CompleteRun]) -> list[CommandDone | None]:
    """End runs of one step, each with its outcome; the handler answers for those whose end their partition or parent
    must see.

    They are not locked before: the change itself locks them, in the order of their ids. Waiters are read afterwards: a
    waiter that started meanwhile waited for that lock, and finds the run ended.
    """
    rows = [
        (c.run, c.claim, c.ident, c.name, c.started_at, c.at, c.duration_us, c.input, c.output, c.output_size)
        for c in sorted(commands, key=run_of)
    ]
    constants = (OutcomeKind.STEP, OutcomeState.SUCCEEDED, tx.session, tx.now)
    found = ENDED_IN_BULK.read_all(tx.all("complete_runs", (*columns("tnttnnnbbn", rows), *constants)))
    ended = {run.id: run for run in found}
    own_commands = [c for c in commands if c.run in ended]
    if own_commands:
        tx.ended += ended
        save_records(tx, own_commands)
        _update_run_keys(tx, [(ended[c.run], RunState.SUCCEEDED) for c in own_commands])
        members.settle_members_of_ends(
            tx, [(c.run, RunState.SUCCEEDED) for c in own_commands if ended[c.run].is_member]
        )
        durations: dict[str, list[int]] = {}
        for run in ended.values():
            durations.setdefault(run.automation, []).append(tx.now - run.started_at)
        for c in own_commands:
            count_size(tx, ended[c.run].automation, c.output_size)
        for automation, spans in durations.items():
            tx.count(automation, steps=len(spans))
            count_ends(tx, automation, RunState.SUCCEEDED, spans)
        watched = set(tx.values("list_runs_waited_for", (texts([c.run for c in own_commands]),), str))
        state = RunState.SUCCEEDED
        insert_delivery_rows(
            tx,
            [
                row
                for c in own_commands
                if ended[c.run].has_subscribers
                for row in subscriptions.delivery_rows_of_end(tx, c.run, c.automation, state)
            ],
        )
        for c in own_commands:
            if c.run in watched:
                inbox.deliver_end_to_waiting_runs(tx, c.run, c.automation, RunState.SUCCEEDED, c.output, None)
        _announce_capacity(tx, ended.values())
    return [DONE if c.run in ended else None for c in commands]


def _update_run_keys(tx: PostgresTransaction, ends: list[tuple[EndedInBulk, RunState]]) -> None:
    """Store the states of ended runs beside their run keys."""
    keyed = [(run, state) for run, state in ends if run.run_key is not None]
    if keyed:
        rows = [(run.automation, run.run_key, run.id, state) for run, state in keyed]
        tx.later("set_run_key_states", columns("tttt", rows))
        for holder in tx.values("list_key_holders_among", (texts([run.id for run, _ in keyed]),), str):
            run_keys.release_held_keys(tx, holder)


def _announce_capacity(tx: PostgresTransaction, runs: Iterable[EndedInBulk | SuspendedInBulk]) -> None:
    """Announce the slots that these runs free."""
    tx.ready |= any(run.has_concurrency_key for run in runs)
    queue_capacity.announce_capacity(tx, sorted({run.limited_queue for run in runs if run.limited_queue is not None}))


def _find_untagged(_tx: PostgresTransaction, commands: Sequence[AnnotateRun]) -> list[bool]:
    """Tell for each annotation whether it leaves the index of tags as it is."""
    return [command.tags is None for command in commands]


def _annotate(tx: PostgresTransaction, commands: list[AnnotateRun]) -> list[CommandDone | None]:
    """Save the annotations of running bodies."""
    rows = [(c.run, c.claim, c.tags, c.progress, c.published, c.detail) for c in commands]
    annotated = set(tx.values("annotate_runs", (*columns("tnbbbb", rows), tx.session), str))
    return [DONE if c.run in annotated else None for c in commands]


SUSPENSIONS = BatchRule(SuspendRun.batched_by(_suspend), key=run_of, run=run_of)
ENDS = BatchRule(FinishRun.batched_by(_finish), key=run_of, run=run_of, plain=_find_unlinked)
COMPLETIONS = BatchRule(CompleteRun.batched_by(_complete), key=run_of, run=run_of, plain=publishes_nothing)
ANNOTATIONS = BatchRule(AnnotateRun.batched_by(_annotate), key=run_of, run=run_of, plain=_find_untagged)
