"""Run keys: two starts with one key are one run, or one live run, as the policy of the start decides.

A key outlives its run until it expires. Its row leads to the newest run. `holder` is an unfinished run besides that one, which will end:
it is being replaced or rolled back. No other run of the key begins before it has ended.
"""

from typing import NamedTuple

from mainspring.domain.definitions.start_options import CONTINUES
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.runs import RunKey, StartRun
from mainspring.store.schema.runs.runs import KEYED_RUN
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import partitions

_MAY_RESTART = frozenset({RunState.FAILED, RunState.CANCELLED})
REQUEST_COUNTS_MS = 24 * 3_600_000
"""How long the id of a request to start counts."""


class KeyRow(NamedTuple):
    """A key: its newest run, the hash of that run's input, its state, when the key expires, and another unfinished run that holds it."""

    run: str
    input_hash: str
    state: RunState
    expires_at: int | None
    holder: str | None

    @property
    def is_live(self) -> bool:
        """Whether the newest run has not ended."""
        return self.state not in TERMINAL_STATES


def _read_key(tx: Transaction, automation: str, key: str) -> KeyRow | None:
    """Return the row of a key, locked. One that has expired counts as long as a run holds it."""
    tx.hold("key", automation, key)
    values = tx.first("read_run_key", (automation, key))
    if values is None:
        return None
    row = KeyRow(*values)
    has_expired = row.expires_at is not None and row.expires_at <= tx.now
    return None if has_expired and not row.is_live and row.holder is None else row


def find_by_key(tx: Transaction, command: StartRun, key: RunKey) -> StartAnswer | Refused | KeyRow | None:
    """Return the run that answers a start, or a refusal. A row, or None without one = a new run may take the key (`take_key`)."""
    row = None if key.policy == CONTINUES else _read_key(tx, command.automation, key.key)
    if row is None:
        return None
    if key.policy == "replace" or (key.policy == "one_live" and not row.is_live):
        return _refuse_here(command, row)
    if row.input_hash != key.input_hash and not key.joins_any:
        return Refused("key_conflict", f"key {key.key!r} was used for run {row.run} with another input")
    if key.policy == "restart" and row.state in _MAY_RESTART:
        return _refuse_here(command, row)
    return StartAnswer(row.run, created=False, state=row.state, by_key=True)


def _refuse_here(command: StartRun, row: KeyRow) -> Refused | KeyRow:
    """Refuse a run that its sender runs at once while another one holds its key."""
    if not command.here or (row.holder is None and not row.is_live):
        return row
    return Refused("busy", f"run {row.holder or row.run} has not ended", retry_after_ms=1_000)


def take_key(tx: Transaction, command: StartRun, key: RunKey, row: KeyRow) -> str | None:
    """Let a new run take the key from the one that has it. Return the run that must end before it begins; None = it may begin.

    The holder is stopped before the queued run: the end of the holder, which wakes that run, locks them in this order.
    """
    from mainspring.store.write.runs.run_transitions import request_cancel  # noqa: PLC0415 - it imports this module

    reason = f"replaced by run {command.id}"
    stopped = [run for run in (row.holder, row.run if row.is_live else None) if run is not None]
    for run in stopped if key.policy == "replace" else ():
        request_cancel(tx, run, f"replaced:{command.id}", reason)
    # The queued run never began, so that its cancel ended it; a run without an owner and cleanup has ended, too.
    return next((run for run in stopped if tx.value("find_run_state", (run,), str) not in TERMINAL_STATES), None)


def bind_key(tx: Transaction, command: StartRun, key: RunKey, state: RunState, holder: str | None) -> None:
    """Bind the key to the run that is being started. One that continues another run takes over its key in `hand_over_key`."""
    if key.policy != CONTINUES:
        values = (command.automation, key.key, command.id, key.input_hash, state.value, key.expires_at, holder)
        tx.change("write_run_key", values)


def hand_over_key(tx: Transaction, automation: str, key: RunKey, old: str, new: str, state: RunState) -> None:
    """Give the place of a run under its key to the run that continues it, whether it is the newest one or the holder."""
    values = {"run": new, "automation": automation, "key": key.key, "old": old}
    if tx.change("repoint_run_key", {**values, "state": state.value}) or tx.change("move_key_holder", values):
        return
    if tx.first("read_run_key", (automation, key.key)) is None:
        tx.change("write_run_key", (automation, key.key, new, key.input_hash, state.value, key.expires_at, None))


def refuse_if_other_lives(tx: Transaction, automation: str, key: str | None, run: str) -> Refused | None:
    """Refuse that an ended run acts again while another one lives under its key."""
    row = None if key is None else _read_key(tx, automation, key)
    other = None if row is None else row.holder or (row.run if row.is_live else None)
    if other is None or other == run:
        return None
    return Refused("wrong_state", f"run {other} lives under the key {key!r} of run {run}")


def revive_key(tx: Transaction, automation: str, key: str | None, run: str, state: RunState) -> None:
    """Let an ended run that acts again hold its key, also if the key has expired or a newer run had it."""
    if key is None:
        return
    row = _read_key(tx, automation, key)
    if row is None:
        tx.change("write_run_key", (automation, key, run, "", state.value, tx.now, None))
    elif row.run == run:
        tx.change("set_run_key_state", (state.value, automation, key, run))
    else:
        tx.change("hold_run_key", (run, automation, key))


def record_key_state(tx: Transaction, automation: str, key: str | None, run: str, state: RunState) -> None:
    """Store the run's new state beside its key, if the key still leads to this run. An end lets the next run begin."""
    if key is not None:
        is_newest = tx.change("set_run_key_state", (state.value, automation, key, run))
        if not is_newest and state in TERMINAL_STATES:
            release_held_keys(tx, run)


def release_held_keys(tx: Transaction, run: str) -> None:
    """Let the run begin that replaces an ended one."""
    for automation, key, newest in tx.all("list_keys_held_by", (run,)):
        tx.change("release_run_key", (automation, key, run))
        tx.hold("run", newest)
        blocked = KEYED_RUN.read_first(tx.all("find_run_blocked_by_key", (newest,)))
        if blocked is None:
            continue
        tx.change("unblock_keyed_run", (blocked.id,))
        if blocked.due_at is None or blocked.due_at <= tx.now:
            partitions.make_runs_ready(tx, [blocked])
        tx.ready = True


def find_by_request(tx: Transaction, command: StartRun) -> StartAnswer | Refused | None:
    """Return the answer to a start that was sent before with the same id; None = it is new."""
    request = command.request
    if request is None:
        return None
    tx.hold("start_request", command.automation, request.id)
    answered = tx.first("find_start_request", (command.automation, request.id, tx.now))
    if answered is None:
        return None
    run, input_hash = answered
    if input_hash != request.input_hash:
        return Refused("key_conflict", f"request {request.id!r} started run {run} with another input")
    state = tx.value("find_run_state", (run,), str)
    return StartAnswer(run, created=False, state=state or RunState.SUCCEEDED, by_key=True)


def record_request(tx: Transaction, command: StartRun, run: str) -> None:
    """Store which run answered a start that its caller may send again."""
    request = command.request
    if request is not None:
        values = (command.automation, request.id, run, request.input_hash, tx.now + REQUEST_COUNTS_MS)
        tx.change("write_start_request", values)
