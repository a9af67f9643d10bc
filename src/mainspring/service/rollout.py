"""Operations on a rollout: start it, hold it, continue it, end it. Each is an audit row of its automation."""

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import OptionError
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.rollouts.rollout_steps import check_steps
from mainspring.domain.rollouts.run_outcome import choose_age
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb
from mainspring.domain.states import RolloutMove
from mainspring.service.actor import OperationContext
from mainspring.service.bulk_operation import start_bulk_operation, was_started
from mainspring.service.perform import perform
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.run_selection import RunSelection
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import RolloutMoved
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.read import rollouts
from mainspring.store.read.bulk_operations import read_bulk_operation

_DURATIONS = 1_000
"""Runs of the old version: the age is the 95th percentile of their durations."""
_DEFAULT_AGE_MS = 60_000
_MIN_AGE_MS = 1_000
MAX_HOLD_MS = 30 * 86_400_000


class RolloutPlan(msgspec.Struct, frozen=True):
    """The decisions of a person about a rollout: `steps` and `margin` in millionths.

    `age_ms` None = from the durations of the version in force.
    """

    steps: tuple[int, ...]
    hold_ms: int
    in_flight: InFlightPolicy = InFlightPolicy.FINISH
    age_ms: int | None = None
    margin: int = 50_000
    again: bool = False


def start_rollout(
    store: Store, reader: StoreReader, automation: str, version: int, plan: RolloutPlan, *, act: OperationContext
) -> RolloutMoved:
    """Divide the new runs of an automation between the version in force and another one.

    Raises:
        OptionError: the steps, the hold, the age or the margin cannot be used.
        NotFoundError: there is no such automation or version.
        ConflictError: the version is in force, no worker has it, another rollout is not finished, or its code has failed before.
    """
    _check_plan(plan)
    versions = {row.version: row.definition for row in rollouts.list_versions(reader, automation)}
    in_force = rollouts.read_version_in_force(reader, automation)
    if in_force is not None and in_force in versions and version in versions:
        _require_same_key(automation, in_force, version, versions)
    command = StartRollout(
        automation=automation,
        new_version=version,
        steps=check_steps(plan.steps),
        hold_ms=plan.hold_ms,
        in_flight=plan.in_flight,
        age_ms=plan.age_ms or choose_rollout_age(reader, automation, in_force),
        margin=plan.margin,
        again=plan.again,
    )
    detail = {"version": version, "steps": list(plan.steps), "hold_ms": plan.hold_ms, "again": plan.again or None}
    return perform(store, act, "rollout start", f"automation:{automation}", command, detail)


def choose_rollout_age(reader: StoreReader, automation: str, version: int | None) -> int:
    """Return the age (ms) at which runs count: most runs of the version in force have ended by then."""
    durations = [] if version is None else rollouts.list_last_durations(reader, automation, version, _DURATIONS)
    return max(choose_age(durations) or _DEFAULT_AGE_MS, _MIN_AGE_MS)


def move_rollout(
    store: Store,
    automation: str,
    move: RolloutMove,
    *,
    act: OperationContext,
    seen: Rollout | None = None,
) -> RolloutMoved:
    """Pause, resume, advance, finish, abort or roll back the rollout of an automation. `seen` = as the caller saw it.

    Raises:
        NotFoundError: it has no rollout.
        ConflictError: the rollout is in a state that does not allow this, or has moved since.
    """
    rollout, step = (None, None) if seen is None else (seen.id, seen.step)
    command = MoveRollout(automation=automation, move=move, reason=act.reason, rollout=rollout, step=step)
    return perform(store, act, f"rollout {move.replace('_', ' ')}", f"automation:{automation}", command)


def end_or_move_rollout(
    store: Store,
    reads: ServiceReads,
    reader: StoreReader,
    automation: str,
    move: RolloutMove,
    *,
    act: OperationContext,
    seen: Rollout | None = None,
) -> str | None:
    """Move the rollout of an automation; after an abort or a rollback, stop the runs of the new version if its policy says so.

    `seen` = the rollout that the caller saw: if it has moved since, this is a conflict. Return the id of the bulk operation that cancels
    the runs. Raises as `move_rollout`.
    """
    is_failure = move in (RolloutMove.ABORT, RolloutMove.ROLL_BACK)
    move_rollout(store, automation, move, act=act.part("move") if is_failure else act, seen=seen)
    rollout = rollouts.find_last_rollout(reader, automation) if is_failure else None
    if rollout is None or rollout.in_flight is not InFlightPolicy.STOP:
        return None
    return stop_runs_of_version(store, reads, reader, rollout, act=act)


def stop_runs_of_version(
    store: Store, reads: ServiceReads, reader: StoreReader, rollout: Rollout, *, act: OperationContext
) -> str | None:
    """Start a bulk operation that cancels the unfinished runs of the new version; return its id, None = there was no run."""
    if was_started(reads, BulkVerb.CANCEL, act=act) and (started := read_bulk_operation(reader, act.command)):
        return started.id
    runs = rollouts.list_unfinished_runs(reader, rollout.automation, rollout.new_version, MAX_BULK_PARTS)
    if not runs:
        return None
    selection = RunSelection(tuple(runs), (rollout.automation,))
    detail = {"rollout": rollout.id, "version": rollout.new_version}
    start_bulk_operation(store, BulkVerb.CANCEL, selection, detail, act=act, rate=None)
    return act.command


def _check_plan(plan: RolloutPlan) -> None:
    if not 0 < plan.hold_ms <= MAX_HOLD_MS:
        raise OptionError(
            "a step is held for more than nothing, and for at most 30 days", hint="For example --hold 30m."
        )
    if not 0 < plan.margin < 1_000_000:
        raise OptionError("the margin is above 0 % and below 100 %", hint="For example --margin 5%.")
    if plan.age_ms is not None and plan.age_ms < _MIN_AGE_MS:
        raise OptionError("runs count at an age of at least 1 second", hint="For example --age 10m.")


def _require_same_key(automation: str, old: int, new: int, definitions: dict[int, bytes]) -> None:
    """Raise OptionError if the two versions would divide runs by different keys: one key could have both versions."""
    keys = [_read_rollout_key(definitions[version]) for version in (old, new)]
    if keys[0] != keys[1]:
        raise OptionError(
            f"version {old} of {automation!r} has rollout_by={keys[0]!r}, and version {new} has rollout_by={keys[1]!r}",
            hint=f"Deploy version {old} with the rollout_by of version {new} first: it decides while both take runs.",
        )


def _read_rollout_key(definition: bytes) -> str | None:
    key: str | None = Definition.from_data(msgspec.json.decode(definition)).option("rollout_by")
    return key
