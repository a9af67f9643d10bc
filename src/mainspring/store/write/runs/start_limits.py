"""Limits of starts, by the key of their definition: rate, debounce, throttle, and the cancel of what is in progress."""

from datetime import timedelta

import msgspec

from mainspring.domain.duration import format_duration
from mainspring.domain.states import RunState
from mainspring.domain.time.rate_window import RateWindow
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.runs import StartLimits, StartRun
from mainspring.store.transaction import Transaction

_SENT_AGAIN_WITHIN_MS = 3_600_000
"""Until when a start whose commit had an unknown outcome is recognized if it is sent again."""


def limit_start(tx: Transaction, command: StartRun, limits: StartLimits) -> StartRun | StartAnswer | Refused:
    """Return the start that counts now, with the instant from which it is due; or the run whose input it replaced; or a refusal."""
    tx.hold("start_limits", command.automation, limits.key)
    if limits.debounce_ms is not None:
        due_at = max(tx.now + limits.debounce_ms, command.due_at or 0)
        waiting = tx.first("find_debounced_run", (command.automation, limits.key, tx.now))
        if tx.again and (sent_before := _find_replaced(tx, command)) is not None:
            return sent_before
        if waiting is not None:
            run, created_at = waiting
            latest = due_at if limits.within_ms is None else created_at + limits.within_ms
            _replace(tx, command, run, min(due_at, latest))
            return StartAnswer(run, created=False, state=RunState.QUEUED)
        if command.deadline_after_ms is not None:  # the wait does not count
            deadline_at = due_at + command.deadline_after_ms
            command = msgspec.structs.replace(command, deadline_at=deadline_at, deadline_after_ms=None)
        command = msgspec.structs.replace(command, due_at=due_at)
    if limits.rate is not None and (command.due_at is None or command.due_at <= tx.now):
        return _delay(tx, command, limits.key, *limits.rate)
    refusal = None if limits.throttle is None else _refuse_or_count(tx, command, limits.key, *limits.throttle)
    return refusal or command


def record_start(tx: Transaction, command: StartRun) -> None:
    """Note that a new run waits for later starts of its key, and cancel the runs that it replaces."""
    limits = command.limits
    if limits is not None and limits.debounce_ms is not None:
        tx.change("write_debounced_run", (command.automation, limits.key, command.id))
    if command.cancels_other_runs:
        _cancel_other_runs(tx, command)


def _cancel_other_runs(tx: Transaction, command: StartRun) -> None:
    """Cancel all unfinished runs of the key of a run that starts."""
    from mainspring.store.write.runs.run_transitions import request_cancel  # noqa: PLC0415 - it imports this module

    other_runs = tx.values(
        "list_unfinished_runs_of_key", (command.automation, command.concurrency_key, command.id), str
    )
    tx.hold_all("run", [(run,) for run in other_runs])
    for run in other_runs:
        request_cancel(tx, run, f"replaced:{command.id}", f"replaced by run {command.id}")


def _find_replaced(tx: Transaction, command: StartRun) -> StartAnswer | None:
    """Return the run whose input this start replaced when it was sent before; the run may have begun since, or have a newer input."""
    found = tx.first("find_start_request", (command.automation, command.id, tx.now))
    if found is None:
        return None
    state = tx.value("find_run_state", (found[0],), str)
    return StartAnswer(found[0], created=False, state=state or RunState.SUCCEEDED)


def _replace(tx: Transaction, command: StartRun, run: str, due_at: int) -> None:
    c = command
    values = {
        "input": c.input,
        "codec": c.codec,
        "title": c.title,
        "item": c.item,
        "healthy": c.healthy,
        "headers": c.headers,
    }
    tx.change("replace_start", {**values, "run": run, "due_at": due_at, "now": tx.now})
    if c.request is None:  # otherwise its request is recorded
        tx.change("write_start_request", (c.automation, c.id, run, "", tx.now + _SENT_AGAIN_WITHIN_MS))
    tx.ready = True  # a worker has to know the instant


def _delay(tx: Transaction, command: StartRun, key: str, count: int, per_ms: int) -> StartRun:
    """Return a start that is due when the rate lets it begin; a deadline before that ends it in time."""
    stored = tx.value("read_start_throttle", (command.automation, key), str)
    due_at, window = RateWindow.of(count, per_ms, stored or "[]").reserve(tx.now)
    tx.change("write_start_throttle", (command.automation, key, window.write(), due_at + 2 * per_ms))
    if due_at == tx.now:
        return command
    deadlines = [command.deadline_at, None if command.deadline_after_ms is None else tx.now + command.deadline_after_ms]
    return msgspec.structs.replace(command, due_at=min([due_at, *(at for at in deadlines if at is not None)]))


def _refuse_or_count(tx: Transaction, command: StartRun, key: str, count: int, per_ms: int) -> Refused | None:
    stored = tx.value("read_start_throttle", (command.automation, key), str)
    window = RateWindow.of(count, per_ms, stored or "[]")
    if not window.free(tx.now):
        wait_ms = max(1, window.next_at(tx.now) - tx.now)
        of_key = f" with key {key!r}" if key else ""
        text = f"{command.automation!r}{of_key} may be started at most {count} times in {format_duration(timedelta(milliseconds=per_ms))}"
        return Refused("throttled", text, retry_after_ms=wait_ms)
    values = (command.automation, key, window.spend(1, tx.now).write(), tx.now + per_ms)
    tx.change("write_start_throttle", values)
    return None
