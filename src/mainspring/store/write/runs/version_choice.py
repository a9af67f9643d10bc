"""Choice of the version of a new run: the commit of its start decides, if its automation ever had a rollout (docs/adr/0035-rollouts.md)."""

from typing import NamedTuple

from mainspring.domain.rollouts.rollout import Rollout, hash_rollout_key
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import StartRun
from mainspring.store.schema.rollouts.rollout_runs import NEW_ROLLOUT_RUN, NewRolloutRun
from mainspring.store.schema.rollouts.rollouts import ROLLOUT
from mainspring.store.transaction import Transaction


class _Rules(NamedTuple):
    """The version in force (None = there is none), and the rollout that divides new runs."""

    version: int | None
    rollout: Rollout | None


class VersionChoice(NamedTuple):
    """The version of a new run, and its row if a rollout assigned it."""

    version: int
    row: NewRolloutRun | None = None


def choose_version(tx: Transaction, command: StartRun, last: int | None, *, continues: bool) -> VersionChoice | Refused:
    """Return the version of a new run. `last` = the last rollout of its automation. If it `continues` a run, it has the version of that."""
    version, rollout = _read_rules(tx, command.automation, last)
    if version is None:
        return Refused(
            "only_candidate",
            f"version {command.version} of {command.automation!r} waits for a rollout, and no other version is in force",
        )
    if rollout is None:
        return VersionChoice(version)
    if continues:
        return VersionChoice(command.version)
    if command.parent is not None:
        of_parent = tx.value("find_run_version", (command.parent.run, command.automation), int)
        if of_parent is not None:
            return VersionChoice(of_parent)
    key = command.id if command.run_key is None else command.run_key.key
    key_hash = command.rollout_key or hash_rollout_key(command.automation, key)
    version = rollout.choose_version(key_hash)
    return VersionChoice(version, NewRolloutRun(command.id, rollout.id, rollout.step, version, key_hash))


def read_version_in_force(tx: Transaction, automation: str, last: int | None) -> int | None:
    """Return the version in force until this commit ends; None = there is none. `last` = the last rollout of the automation."""
    return _read_rules(tx, automation, last).version


def record_choice(tx: Transaction, row: NewRolloutRun) -> None:
    """Record a run that a rollout assigned."""
    tx.change("insert_rollout_run", NEW_ROLLOUT_RUN.values(row))


def _read_rules(tx: Transaction, automation: str, last: int | None) -> _Rules:
    """Return the rules, read once per group."""
    known: _Rules | None = tx.cache.get(("rollout", automation))
    if known is None:
        rollout = None if last is None else ROLLOUT.read_first(tx.all("lock_rollout", (last,)))
        # The lock may have waited for the commit that ended the rollout: only now is the version in force certain.
        version = tx.value("read_version_in_force", (automation,), int)
        known = _Rules(version, rollout if rollout is not None and rollout.is_active else None)
        tx.cache["rollout", automation] = known
    return known
