"""Operations on a rollout: start it, hold it, continue it, end it. Each is an audit row of its automation."""

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.rollouts.rollout_steps import check_steps
from mainspring.domain.rollouts.run_outcome import choose_age
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.runs.bulk_operation import BulkVerb, plan_batches
from mainspring.domain.states import RolloutMove
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.bulk_operations import BeginBulkOperation
from mainspring.store.commands.results import RolloutMoved
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.read import rollouts
from mainspring.store.read.runs.measurements import list_measured_names
from mainspring.store.schema.rollouts.automation_versions import AutomationVersion

_DURATIONS = 1_000
"""Runs of the old version: the age is the 95th percentile of their durations."""
_MEASURED_RUNS = 200
"""Runs of the old version whose measurements are known."""
_DEFAULT_AGE_MS = 60_000
MAX_HOLD_MS = 30 * 86_400_000
_MIN_AGE_MS, _MAX_AGE_MS = 1_000, MAX_HOLD_MS
"""A greater age would blind the guard: it sees no run before."""


class RolloutPlan(msgspec.Struct, frozen=True):
    """The decisions of a person about a rollout: `steps` and `margin` in millionths.

    `age_ms` None = from the durations of the version in force.
    """

    steps: tuple[int, ...]
    hold_ms: int
    in_flight: InFlightPolicy = InFlightPolicy.FINISH
    age_ms: int | None = None
    margin: int = 50_000
    watched: tuple[WatchedMeasurement, ...] = ()
    again: bool = False


def start_rollout(
    store: Store, reader: StoreReader, automation: str, version: int, plan: RolloutPlan, *, act: OperationContext
) -> RolloutMoved:
    """Divide the new runs of an automation between the version in force and another one.

    Raises:
        OptionError: the steps, the hold, the age or the margin cannot be used, the versions differ in their kind, key or arguments, or
            the version in force does not measure what is watched.
        NotFoundError: there is no such automation or version.
        ConflictError: the version is in force, no worker has it, another rollout is not finished, its code has failed before, or the
            automation is retired.
    """
    _check_plan(plan)
    versions = {row.version: row for row in rollouts.list_versions(reader, automation)}
    in_force = rollouts.read_version_in_force(reader, automation)
    if in_force is not None and in_force in versions and version in versions:
        _require_same_kind(versions[in_force], versions[version])
        _require_same_key(versions[in_force], versions[version])
        _require_same_arguments(versions[in_force], versions[version])
        _require_measured(reader, versions[in_force], plan.watched)
    command = StartRollout(
        automation=automation,
        new_version=version,
        steps=check_steps(plan.steps),
        hold_ms=plan.hold_ms,
        in_flight=plan.in_flight,
        age_ms=plan.age_ms or choose_rollout_age(reader, automation, in_force),
        margin=plan.margin,
        watched=plan.watched,
        again=plan.again,
    )
    detail = {**msgspec.to_builtins(plan), "version": version, "age_ms": command.age_ms, "again": plan.again or None}
    return perform(store, act, "rollout start", f"automation:{automation}", command, detail)


def choose_rollout_age(reader: StoreReader, automation: str, version: int | None) -> int:
    """Return the age (ms) at which runs count: most runs of the version in force have ended by then, or are older than the longest age."""
    durations = [] if version is None else rollouts.list_last_durations(reader, automation, version, _DURATIONS)
    return min(max(choose_age(durations) or _DEFAULT_AGE_MS, _MIN_AGE_MS), _MAX_AGE_MS)


def move_rollout(
    store: Store,
    automation: str,
    move: RolloutMove,
    *,
    act: OperationContext,
    seen: Rollout | None = None,
) -> RolloutMoved:
    """Pause, resume, advance, finish, abort or roll back the rollout of an automation. `seen` = as the caller saw it.

    After an abort or a rollback, a bulk operation cancels the unfinished runs of the new version, if the policy of the rollout says so.

    Raises:
        NotFoundError: it has no rollout.
        ConflictError: the rollout is in a state that does not allow this, or has moved since.
    """
    rollout, step = (None, None) if seen is None else (seen.id, seen.step)
    stop = _make_stop(automation, act) if move in (RolloutMove.ABORT, RolloutMove.ROLL_BACK) else None
    command = MoveRollout(automation=automation, move=move, reason=act.reason, rollout=rollout, step=step, stop=stop)
    return perform(store, act, f"rollout {move.replace('_', ' ')}", f"automation:{automation}", command)


def _make_stop(automation: str, act: OperationContext) -> BeginBulkOperation:
    batches = plan_batches(None)
    return BeginBulkOperation(
        id=act.command,
        verb=BulkVerb.CANCEL,
        selection=b"{}",
        automations=(automation,),
        parts=(),
        actor=str(act.actor),
        reason=act.reason,
        rate=None,
        piece=batches.size,
        every_ms=batches.every_ms,
    )


def _check_plan(plan: RolloutPlan) -> None:
    if plan.watched and plan.steps[0] == 1_000_000:
        raise OptionError(
            "a rollout whose only step is 100 % compares nothing, so it can watch no measurement",
            hint="Add a step with two sides: --steps 20%,100%. Or leave out --watch.",
        )
    if not 0 < plan.hold_ms <= MAX_HOLD_MS:
        raise OptionError(
            "a step is held for more than nothing, and for at most 30 days", hint="For example --hold 30m."
        )
    if not 0 < plan.margin < 1_000_000:
        raise OptionError("the margin is above 0 % and below 100 %", hint="For example --margin 5%.")
    if plan.age_ms is not None and not _MIN_AGE_MS <= plan.age_ms <= _MAX_AGE_MS:
        raise OptionError(
            "runs count at an age of at least 1 second, and of at most 30 days", hint="For example --age 10m."
        )


def _require_same_kind(old: AutomationVersion, new: AutomationVersion) -> None:
    """Raise OptionError if the versions are of two kinds: a run has the kind of its automation, and only a workflow can be undone."""
    if old.kind != new.kind:
        raise OptionError(
            f"version {old.version} of {old.automation!r} is a {old.kind}, and version {new.version} is a {new.kind}",
            hint="Give the new one a name of its own, or deploy it without rollout=True: then it takes force at once.",
        )


def _require_same_key(old: AutomationVersion, new: AutomationVersion) -> None:
    """Raise OptionError if the two versions would divide runs by different keys: one key could have both versions."""
    keys = [_read_rollout_key(version.definition) for version in (old, new)]
    if keys[0] != keys[1]:
        raise OptionError(
            f"version {old.version} of {old.automation!r} has rollout_by={keys[0]!r}, and version {new.version} has "
            f"rollout_by={keys[1]!r}",
            hint=f"Deploy version {old.version} with the rollout_by of version {new.version} first: it decides while "
            "both take runs.",
        )


def _require_same_arguments(old: AutomationVersion, new: AutomationVersion) -> None:
    """Raise OptionError if each run of the new version would fail: its input is made for the version in force."""
    was, now = (_read_definition(version.definition).parameters for version in (old, new))
    added = sorted({*now.get("required", ())} - was.get("properties", {}).keys())
    removed = sorted({*was.get("required", ())} - now.get("properties", {}).keys())
    if added and not was.get("additionalProperties"):
        raise OptionError(
            f"version {new.version} of {old.automation!r} needs the argument {added[0]!r}, and version {old.version} does not "
            "have it: each of its runs would fail",
            hint=f"Give {added[0]} a default in version {new.version}.",
        )
    if removed and not now.get("additionalProperties"):
        raise OptionError(
            f"version {new.version} of {old.automation!r} does not have the argument {removed[0]!r}, and version "
            f"{old.version} needs it: each of its runs would fail",
            hint=f"Keep {removed[0]} in version {new.version} until version {old.version} takes no run.",
        )


def _require_measured(reader: StoreReader, old: AutomationVersion, watched: tuple[WatchedMeasurement, ...]) -> None:
    """Raise OptionError if a watched number is one that the version in force does not measure: there is nothing to compare with."""
    known = list_measured_names(reader, old.automation, old.version, _MEASURED_RUNS) if watched else []
    for measurement in watched:
        if measurement.name not in known:
            nearest = UnknownNameError("measurement", measurement.name, known).hint
            raise OptionError(
                f"no recent run of version {old.version} of {old.automation!r} has measured {measurement.name!r}: there is nothing "
                "to compare with",
                hint=nearest
                or f"Call ms.measure({measurement.name!r}, ...) in version {old.version} first, and let it run.",
            )


def _read_definition(definition: bytes) -> Definition:
    return Definition.from_data(msgspec.json.decode(definition))


def _read_rollout_key(definition: bytes) -> str | None:
    key: str | None = _read_definition(definition).option("rollout_by")
    return key
