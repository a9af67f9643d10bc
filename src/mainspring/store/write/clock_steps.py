"""Clock steps: each is recorded once, and moves the pending durations by as much as the clock was set.

A process that notices a step records it in the same transaction, before its commands: it commits nothing by the new
clock before the durations have moved. Runs move in batches, one with each commit of any process that lived through the
step. Instants of the wall clock (slots, `at=`, pauses, snoozes) stay.
"""

import json
from typing import Final

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.states import RunState
from mainspring.domain.time.clock_step import ClockStep, ClockWatch, RunClockSteps, unrecorded_ms
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.runs import SuspendRun
from mainspring.store.commands.sessions import ConfirmClockStep
from mainspring.store.texts import FOR_EVER
from mainspring.store.transaction import Transaction

MOST_SHIFTED = 5_000
"""Maximum of runs that one commit moves."""
_IDLE_STAGES: Final = (RunState.WAITING, RunState.RETRYING, RunState.QUEUED, RunState.NEEDS_ATTENTION, RunState.PAUSED)
_SMALL_TABLES = (
    *("shift_deliveries", "shift_gatherings", "shift_flow_control", "shift_outbox_leases", "shift_channels"),
    *("shift_web_sessions", "shift_start_links", "shift_effects", "shift_lock_waiters", "shift_targets", "shift_turns"),
)
_DUE_FIELDS: Final[dict[type, str]] = {SuspendRun: "due_at", SaveAttempt: "next_at", OpenWait: "until_at"}
"""The instants in commands of a worker that are ends of durations."""
_AHEAD = ("shift_announcements", "shift_pauses")
"""Instants from which successes are expected: those in the future move back."""


def record_clock_step(tx: Transaction, watch: ClockWatch, step: ClockStep) -> None:
    """Record a step that this process noticed, unless another process did, and move the pending durations."""
    tx.hold("clock")
    recorded = tx.all("list_clock_steps_after", (watch.known,))
    by_ms = unrecorded_ms(step.by_ms, [by for _, by in recorded])
    if by_ms:
        opened_at = tx.value("find_oldest_live_session", (), int)
        since_at = step.old_at - step.lived_ms
        if opened_at is not None:
            since_at = min(since_at, opened_at)
        _record(tx, by_ms, since_at, is_lived=True)
    if step.by_ms > 0:  # another process may have skipped this session, because its row was locked
        usage = {"memory": None, "processor": None, "child_queue": None}
        tx.change("record_heartbeat", {"now": tx.now, "session": tx.session, **usage})
    tx.clock_known = _newest(tx)
    tx.clock_step = step
    shift_batch(tx, unseen_ms=step.unseen_ms if by_ms else None)


def find_unseen_step(tx: Transaction) -> None:
    """Record that the clock went back while no process of the store was alive, if sessions wrote later instants; for a
    new session.
    """
    newest_at = tx.value("find_newest_session_time", (), int)
    if newest_at is not None and newest_at > tx.now + MAX_CLOCK_LEAD_MS:
        tx.hold("clock")
        _record(tx, tx.now - newest_at, tx.now + 1, is_lived=False)
        tx.clock_step = ClockStep(tx.now - newest_at, tx.now, 0, 0)
        shift_batch(tx, unseen_ms=0)
    tx.clock_known = _newest(tx)
    tx.clock_moves = tx.first("read_open_clock_step") is not None


def _record(tx: Transaction, by_ms: int, since_at: int, *, is_lived: bool) -> None:
    """Record a step, and move all small tables at once. Future instants were written by a clock that was ahead, so they
    move too.
    """
    bounds = {"by": by_ms, "since": since_at, "until": FOR_EVER}
    tx.change("insert_clock_step", {**bounds, "at": tx.now, "lived": int(is_lived)})
    # A restore without a living session writes by the new clock before the step is known. If in doubt, a window lasts longer.
    retained_until = tx.now if by_ms < 0 and not is_lived else -1
    for query in _SMALL_TABLES:
        tx.change(query, {**bounds, "pending": _pending_from(tx.now, by_ms), "retained_until": retained_until})
    if by_ms < 0:
        tx.change("pull_back_sessions", (tx.now,))
        for query in _AHEAD:
            tx.change(query, {"by": by_ms, "pending": tx.now})
    else:  # instants by the new clock are closer to now than to the old clock
        tx.change("push_forward_sessions", {"by": by_ms, "before": tx.now - by_ms // 2})
    tx.change("prune_clock_steps")
    tx.ready = tx.facts = tx.triggers = True


def _pending_from(at: int, by_ms: int) -> int:
    """Return the instant up to which everything was due by the old clock and is due by the new one."""
    return min(at, at - by_ms)


def _newest(tx: Transaction) -> int:
    return tx.value("find_newest_clock_step", (), int) or 0


def shift_batch(tx: Transaction, *, unseen_ms: int | None = None) -> None:
    """Move the next runs of the oldest unfinished step; `unseen_ms` = the step was recorded in this transaction.

    For a step of another transaction, a run that changed since its instant may have been written by the new clock: it
    stays.
    """
    tx.hold("clock")
    row = tx.first("read_open_clock_step")
    tx.clock_moves = row is not None
    if row is None:
        return
    seq, at, by_ms, since_at, until_at, stage, reached, last = row
    new_from = tx.now + 1 if unseen_ms is not None else at
    bounds = (reached, last, since_at, until_at, new_from, max(tx.now, new_from))
    if stage == 0:
        rows = tx.all("list_owned_runs_to_shift", bounds)
        is_stage_done = True
    else:
        rows = tx.all("list_idle_runs_to_shift", (*bounds, _IDLE_STAGES[stage - 1].value, MOST_SHIFTED))
        is_stage_done = len(rows) < MOST_SHIFTED
    if rows:
        shift_runs(tx, [run for _, run in rows], by_ms, at)
    if is_stage_done:
        stage, reached = stage + 1, 0
    else:
        reached, _ = rows[-1]
    is_over = stage > len(_IDLE_STAGES)
    tx.change("record_clock_step_progress", (stage, reached, len(rows), tx.now if is_over else None, seq))
    if is_over:
        shift_batch(tx)
    elif len(rows) < MOST_SHIFTED:  # an empty stage costs nothing: continue with the next
        shift_batch(tx, unseen_ms=unseen_ms)


def shift_runs(tx: Transaction, runs: list[str], by_ms: int, at: int) -> None:
    """Move the durations of these runs, and their deadlines."""
    values = {"by": by_ms, "runs": json.dumps(runs), "pending": _pending_from(at, by_ms)}
    tx.change("shift_attempts", values)
    tx.change("shift_waits", values)
    tx.change("shift_runs", {"by": by_ms, "runs": values["runs"], "mark": f":{by_ms}:{at} "})
    tx.ready = True


def shift_commands(commands: list[StoreCommand[object]], by_ms: int, met_ms: int) -> list[StoreCommand[object]]:
    """Return commands that were computed by the clock before it was set by `by_ms`, with moved instants.

    After a ConfirmClockStep less of it is left; `met_ms` = that of the last one before these commands.
    """
    moved: list[StoreCommand[object]] = []
    for command in commands:
        if isinstance(command, ConfirmClockStep):
            by_ms, met_ms = by_ms - (command.met_ms - met_ms), command.met_ms
        field = _DUE_FIELDS.get(type(command), "")
        due_at = getattr(command, field) if field else None
        moved.append(command if due_at is None else msgspec.structs.replace(command, **{field: due_at + by_ms}))
    return moved


def correct_marks(tx: Transaction, commands: list[StoreCommand[object]]) -> None:
    """Mark the outcomes that are saved before the process met the step: they are of the clock before it."""
    confirmed_at = next(
        (index for index, command in enumerate(commands) if isinstance(command, ConfirmClockStep)), len(commands)
    )
    saved = [command.run for command in commands[:confirmed_at] if isinstance(command, SaveOutcome)]
    for run, written, rank in tx.all("list_clock_steps_of_runs", (json.dumps(saved),)) if saved else ():
        marks = RunClockSteps(written)
        marks.raise_last(rank)
        tx.change("write_clock_steps_of_run", (marks.write(), run))


def confirm_clock_step(_tx: Transaction, _command: ConfirmClockStep) -> CommandDone:
    """Change nothing: see `shift_commands`."""
    return DONE
