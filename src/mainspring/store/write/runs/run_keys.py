"""Run keys: two starts with one key are one run. A key outlives its run until it expires, and refuses another input."""

from mainspring.domain.states import RunState
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.runs import RunKey, StartRun
from mainspring.store.transaction import Transaction

_MAY_RESTART = frozenset({RunState.FAILED, RunState.CANCELLED})


def find_by_key(tx: Transaction, command: StartRun, key: RunKey) -> StartAnswer | Refused | None:
    """Return the run that has the key, or refuse another input; None = the key is free for a new run."""
    tx.hold("key", command.automation, key.key)
    if key.on_failed == "replace":
        return None
    row = tx.first("read_run_key", (command.automation, key.key, tx.now))
    if row is None:
        return None
    run, input_hash, state = row
    if input_hash != key.input_hash:
        return Refused("key_conflict", f"key {key.key!r} was used for run {run} with another input")
    if key.on_failed == "restart" and state in _MAY_RESTART:
        return None
    return StartAnswer(run, created=False, state=state, by_key=True)


def bind_key(tx: Transaction, command: StartRun, key: RunKey, state: RunState) -> None:
    """Bind the key to the run that is being started. A run that continues another one keeps the input of the key."""
    if key.on_failed == "replace" and tx.change(
        "repoint_run_key", (command.id, state.value, command.automation, key.key)
    ):
        return
    tx.change("write_run_key", (command.automation, key.key, command.id, key.input_hash, state.value, key.expires_at))


def record_key_state(tx: Transaction, automation: str, key: str | None, run: str, state: RunState) -> None:
    """Store the run's new state beside its key, if the key still leads to this run."""
    if key is not None:
        tx.change("set_run_key_state", (state.value, automation, key, run))
