"""Exec runs: commands of `mainspring exec`, described without a deployment and recorded once after their end, with
their own instants.
"""

import msgspec

from mainspring.domain.states import TERMINAL_STATES, FailureReason, RunState
from mainspring.store import run_end_counts
from mainspring.store.commands.automations import AnnounceDefinitions
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.results import DONE, CommandDone, Refused, StartAnswer
from mainspring.store.transaction import Transaction
from mainspring.store.write import subscriptions
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import partitions, run_transitions
from mainspring.store.write.runs.journal import encode_failure
from mainspring.store.write.triggers import schedules

_MINUTE_MS = 60_000
_NO_DEPLOYMENT = 0
_ROLLUP = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


def describe_exec_automation(tx: Transaction, command: DescribeExecAutomation) -> CommandDone | Refused:
    """Write the definition and its schedules, if it is new or changed.

    A manual call has no schedule: it changes nothing of an automation that has one, which stays monitored as before.
    """
    row = command.automation
    known = tx.first("read_exec_automation", (row.name,))
    if known is not None:
        kind, definition, retired_at = known
        if kind != row.kind:
            return Refused("taken", f"{row.name!r} is a {kind}: what it is stays as its worker announced it")
        if retired_at is not None:
            return Refused("retired", f"automation {row.name!r} is retired")
    for schedule in command.schedules:
        if tx.first("has_created_schedule", (schedule.name,)) is not None:
            return Refused("taken", f"a person or program created a schedule with the name {schedule.name!r}")
    if known is not None and not command.schedules and _has_schedule(definition):
        return DONE
    if known is None or definition != row.definition:
        tx.change(
            "upsert_automation",
            (row.name, row.kind, row.version, row.definition, row.fingerprint, _NO_DEPLOYMENT, row.problem, tx.now),
        )
    if command.schedules:
        schedules.announce_schedules(
            tx, AnnounceDefinitions(row.fingerprint, (row,), command.schedules), is_new_store=False
        )
    return DONE


def _has_schedule(definition: bytes) -> bool:
    return bool(definition and msgspec.json.decode(definition).get("schedules"))


def record_exec_run(tx: Transaction, command: RecordExecRun) -> StartAnswer | Refused:
    """Insert the run, or add its missing end."""
    c = command
    tx.hold("run", c.id)
    known = tx.first("read_exec_run", (c.id,))
    if known is None:
        tx.change("insert_exec_run", {**_row(command), "now": tx.now})
        if c.state is RunState.FAILED:  # an existing run gets its failure with the change of its state
            ident = c.outcome.ident if c.outcome is not None else None
            tx.change(
                "insert_failure", (c.id, c.automation, c.state, c.reason, ident, encode_failure(c.failure), tx.now)
            )
            tx.change("settle_late_member", (c.id, tx.now))
        _write_run_data(tx, command, started=1)
        return StartAnswer(c.id, created=True, state=c.state)
    state, reason = known
    if state in TERMINAL_STATES and reason != FailureReason.PROCESS_LOST:
        return StartAnswer(c.id, created=False, state=state)
    if not tx.change("end_exec_run", {**_row(command), "session": c.session, "now": tx.now}):
        return Refused("owned", f"run {c.id} is {state}, and this is not its owner's word")
    partitions.release_partitions(tx, c.id)
    run_transitions.close_children(tx, c.id)
    _write_run_data(tx, command, started=0)
    return StartAnswer(c.id, created=True, state=c.state)


def _row(command: RecordExecRun) -> dict[str, object]:
    c, o = command, command.outcome
    names = (
        "id",
        "automation",
        "kind",
        "version",
        "title",
        "reason",
        "started_at",
        "finished_at",
        "claim",
        "codec",
        "input",
        "result",
        "trigger",
        "output_size",
        "healthy",
        "item",
    )
    return {
        **{name: getattr(c, name) for name in names},
        "state": c.state.value,
        "failure": encode_failure(c.failure),
        "run_key": c.run_key.key if c.run_key else None,
        "failed_ident": o.ident if o is not None and c.failure is not None else None,
        "steps": int(o is not None),
    }


def _write_run_data(tx: Transaction, command: RecordExecRun, *, started: int) -> None:
    """Write the data of the run: its attempts, its outcome, its key, and the statistics of the minute in which it
    ended.
    """
    c = command
    for a in c.attempts:
        tx.change(
            "record_exec_attempt",
            (c.id, a.ident, a.generation, a.attempt, a.name, a.state, a.request_number, c.claim, encode_failure(a.failure),
             a.started_at, a.ended_at, a.next_at),
        )  # fmt: skip
    if (o := c.outcome) is not None:
        # The row of the last attempt is its start mark, or says that it was lost: the outcome is newer.
        tx.change("delete_attempt", (c.id, o.ident, o.generation, o.attempt))
        tx.change(
            "record_exec_outcome",
            (c.id, o.rank, o.ident, o.name, o.kind, o.state, o.request_number, o.attempt, o.generation, c.claim, o.input, o.output,
             encode_failure(o.failure), o.started_at, o.at, o.duration_us),
        )  # fmt: skip
    if c.run_key is not None:
        _bind_key(tx, command)
    duration_ms = max(c.finished_at - c.started_at, 0)
    ends = [int(c.state is state) for state in _ROLLUP]
    failed = len(c.attempts) + int(c.outcome is not None and c.state is RunState.FAILED)
    sums = (started, *ends, 0, int(c.outcome is not None), failed, duration_ms, duration_ms)
    tx.change("add_rollup", (tx.session or 0, c.automation, c.finished_at - c.finished_at % _MINUTE_MS, *sums))
    tx.detail(c.automation, run_end_counts.bucket_of(duration_ms))
    if c.outcome is not None and c.state is RunState.SUCCEEDED:
        run_end_counts.count_retried_success(tx, c.automation, c.outcome.attempt)
    run_end_counts.count_size(tx, c.automation, c.output_size)
    if c.reason is not None:
        tx.detail(c.automation, f"reason:{c.reason}")
    members.settle_members_of_ends(tx, [(c.id, c.state)], late=True)
    subscriptions.deliver_run_end(tx, c.id, c.automation, c.state)


def _bind_key(tx: Transaction, command: RecordExecRun) -> None:
    """Bind the key to this run, unless another run succeeded under it."""
    key = command.run_key
    if key is None:
        return
    tx.hold("key", command.automation, key.key)
    known = tx.first("read_run_key", (command.automation, key.key))
    if known is not None:
        run, _, state, expires_at, holder = known
        counts = expires_at is None or expires_at > tx.now
        if run != command.id and ((state == RunState.SUCCEEDED and counts) or state not in TERMINAL_STATES or holder):
            return
    values = (command.automation, key.key, command.id, key.input_hash, command.state, key.expires_at, None)
    tx.change("write_run_key", values)
