"""Rollouts: they start, move from step to step, and end; the end brings one version into force in the same commit."""

import json

import msgspec

from mainspring.domain.rollouts.rollout import NOT_COUNTED, InFlightPolicy, Rollout, can_take_force
from mainspring.domain.rollouts.run_outcome import RunOutcomeKind, read_kind
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS
from mainspring.domain.runs.measurement import sum_measurements
from mainspring.domain.runs.run_conditions import ConditionKind, ConditionSnapshot
from mainspring.domain.states import FAILED_ROLLOUT_STATES, ROLLOUT_MOVES, RolloutMove, RolloutState
from mainspring.domain.time.schedule import Schedule
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.bulk_operations import BeginBulkOperation
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused, RolloutMoved
from mainspring.store.commands.rollouts import (
    CountRolloutRuns,
    MoveRollout,
    MoveRun,
    RecordRolloutEvidence,
    StartRollout,
)
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.schema.rollouts.automation_versions import AUTOMATION_VERSION, AutomationVersion
from mainspring.store.schema.rollouts.rollout_runs import COUNTABLE_RUN
from mainspring.store.schema.rollouts.rollouts import NEW_ROLLOUT, ROLLOUT, NewRollout
from mainspring.store.transaction import Transaction
from mainspring.store.write import run_conditions
from mainspring.store.write.bulk_operations import begin_bulk_operation
from mainspring.store.write.runs.start import forget_start_rules, read_start_rules
from mainspring.store.write.triggers import deliveries, schedules

_TIMED_MOVES = frozenset({RolloutMove.RESUME, RolloutMove.ADVANCE})
"""Moves after which the hold of the step begins again."""
_FORWARD_MOVES = frozenset({RolloutMove.ADVANCE, RolloutMove.FINISH})
"""Moves after which more runs get the new version."""
_MOST_ROLLOUTS = 10_000


def start_rollout(tx: Transaction, command: StartRollout) -> RolloutMoved | Refused:
    """Start a rollout of a version that is announced, and that a live worker has."""
    c = command
    tx.hold("deployments")
    in_force = tx.value("read_version_in_force", (c.automation,), int)
    version = find_version(tx, c.automation, c.new_version)
    if in_force is None and version is not None:
        return Refused("only_candidate", f"no version of {c.automation!r} is in force, so there is nothing to divide")
    if in_force is None:
        return Refused("not_found", f"there is no automation {c.automation!r}")
    if read_start_rules(tx, c.automation).is_retired:
        return Refused("retired", f"automation {c.automation!r} is retired")
    refusal = _refuse_rollout(tx, c, version, in_force)
    if refusal is not None or version is None:
        return refusal or Refused("no_version")
    row = NewRollout(
        id=tx.value("find_next_rollout_id", (), int) or 1,
        automation=c.automation,
        old_version=in_force,
        new_version=c.new_version,
        fingerprint=version.fingerprint,
        steps=json.dumps(c.steps),
        step=0,
        hold_ms=c.hold_ms,
        in_flight=c.in_flight,
        age_ms=c.age_ms,
        margin=c.margin,
        state=RolloutState.RUNNING,
        started_at=tx.now,
        step_at=tx.now,
        watched=msgspec.json.encode(c.watched).decode() if c.watched else None,
    )
    tx.change("insert_rollout", NEW_ROLLOUT.values(row))
    forget_start_rules(tx, c.automation)
    return _answer(tx, c.automation)


def _refuse_rollout(
    tx: Transaction, c: StartRollout, version: AutomationVersion | None, version_in_force: int
) -> Refused | None:
    if c.new_version == version_in_force:
        return Refused("in_force", f"version {c.new_version} of {c.automation!r} is in force already")
    last = find_last(tx, c.automation)
    if last is not None and last.is_active:
        return Refused(
            "rollout_active", f"the rollout of {c.automation!r} to version {last.new_version} is {last.state}"
        )
    if version is None:
        known = ", ".join(str(known.version) for known in _list_versions(tx, c.automation))
        return Refused(
            "no_version", f"no worker has ever announced version {c.new_version} of {c.automation!r}; known: {known}"
        )
    no_worker = _refuse_without_worker(tx, c.automation, c.new_version)
    if no_worker is not None:
        return no_worker
    failed = ROLLOUT.read_first(tx.all("find_last_rollout_to", (c.automation, c.new_version)))
    is_same = failed is not None and failed.state in FAILED_ROLLOUT_STATES and failed.fingerprint == version.fingerprint
    if failed is not None and is_same and not c.again:
        state = failed.state.replace("_", " ")
        return Refused("same_code", f"version {c.new_version} of {c.automation!r} was {state} with the same code")
    return None


def move_rollout(tx: Transaction, command: MoveRollout) -> RolloutMoved | Refused:
    """Move the last rollout of an automation."""
    c = command
    tx.hold("deployments")
    rollout = find_last(tx, c.automation)
    if rollout is None:
        return Refused("no_rollout", f"{c.automation!r} has no rollout")
    if c.rollout not in (None, rollout.id) or c.step not in (None, rollout.step):
        return Refused("stale", f"the rollout of {c.automation!r} has moved since")
    sources, state = ROLLOUT_MOVES[c.move]
    is_last = rollout.step == len(rollout.steps) - 1
    if rollout.state not in sources or (c.move is RolloutMove.ADVANCE and is_last):
        place = " at its last step" if rollout.state in sources else ""
        text = f"the rollout of {c.automation!r} to version {rollout.new_version} is {rollout.state}{place}"
        code = "rollout_finished" if rollout.state is RolloutState.FINISHED else "rollout_state"
        return Refused(code, text.replace("_", " "))
    no_worker = _refuse_without_worker(tx, c.automation, rollout.new_version) if c.move in _FORWARD_MOVES else None
    if no_worker is not None:
        return no_worker
    if c.move is RolloutMove.FINISH:
        version = find_version(tx, c.automation, rollout.new_version)
        if version is None:
            return Refused("no_version", f"version {rollout.new_version} of {c.automation!r} is not on record")
        _bring_into_force(tx, version)
    write_move(tx, rollout, c.move, state, c.reason)
    bulk = None if c.stop is None else _stop_runs(tx, rollout, c.stop)
    return msgspec.structs.replace(_answer(tx, c.automation), bulk=bulk)


def _refuse_without_worker(tx: Transaction, automation: str, version: int) -> Refused | None:
    """Return the refusal of a version that no worker would claim: its runs would wait."""
    if tx.first("has_live_version", (automation, version)) is not None:
        return None
    return Refused("no_worker", f"no running worker has version {version} of {automation!r}")


def _stop_runs(tx: Transaction, rollout: Rollout, stop: BeginBulkOperation) -> str | None:
    """Begin to cancel the unfinished runs of the new version, if the rollout is to stop them; return the operation, None = no run."""
    values = (rollout.automation, rollout.new_version, MAX_BULK_PARTS)
    runs = tx.values("list_unfinished_runs_of_version", values, str) if rollout.in_flight is InFlightPolicy.STOP else []
    if not runs:
        return None
    selection = msgspec.json.encode({"rollout": rollout.id, "version": rollout.new_version})
    begin_bulk_operation(tx, msgspec.structs.replace(stop, selection=selection, parts=tuple(runs)))
    return stop.id


def write_move(tx: Transaction, rollout: Rollout, move: RolloutMove, state: RolloutState, reason: str | None) -> None:
    """Write the state of a rollout after a move."""
    if move is RolloutMove.ADVANCE:
        tx.change("keep_step_evidence", {"now": tx.now, "rollout": rollout.id})
    moved = msgspec.structs.replace(rollout, state=state)
    values = {
        "id": rollout.id,
        "state": state.value,
        "step": rollout.step + (move is RolloutMove.ADVANCE),
        "step_at": tx.now if move in _TIMED_MOVES else rollout.step_at,
        "ended_at": None if moved.is_active else tx.now,
        "reason": reason,
    }
    tx.change("move_rollout", values)
    forget_start_rules(tx, rollout.automation)
    tx.ready = tx.triggers = True


def record_definition_change(tx: Transaction, row: AutomationRow, fingerprint: str, version: str) -> None:
    """Record a changed definition in force; usually nothing changed since this fingerprint and version, and there is no row."""
    was = {"fingerprint": fingerprint, "version": version}
    now = {"fingerprint": row.fingerprint, "version": str(row.version)}
    if was != now:
        condition = ConditionSnapshot(ConditionKind.DEFINITION, f"automation:{row.name}", now)
        run_conditions.insert_run_condition(tx, condition, was)


def _bring_into_force(tx: Transaction, version: AutomationVersion) -> None:
    """Make a version the one in force: its definition, its schedules and its triggers count from this commit on."""
    v = version
    row = AutomationRow(v.automation, v.kind, v.version, v.fingerprint, v.definition)
    known = tx.first("read_announced_automation", (v.automation,))
    if known is not None:
        record_definition_change(tx, row, str(known[2]), str(known[3]))
    tx.change(
        "upsert_automation", (v.automation, v.kind, v.version, v.definition, v.fingerprint, v.deploy, None, tx.now)
    )
    schedule_rows = msgspec.json.decode(v.schedules, type=tuple[ScheduleRow, ...])
    announcement = AnnounceDefinitions(
        v.fingerprint,
        (row,),
        tuple(_recompute_slot(row, tx.now) for row in schedule_rows),
        msgspec.json.decode(v.triggers, type=tuple[TriggerRow, ...]),
    )
    schedules.announce_schedules(tx, announcement)
    deliveries.announce_triggers(tx, announcement)
    tx.change("rejoin_concurrency_lines")  # its limit may be another one


def _recompute_slot(row: ScheduleRow, now: int) -> ScheduleRow:
    """Return a schedule that continues from now: its next slot was computed when it was announced."""
    schedule = Schedule.from_data(msgspec.json.decode(row.spec))
    return msgspec.structs.replace(row, next_slot_at=schedule.next_after(now), first_slot_at=None)


def find_last(tx: Transaction, automation: str) -> Rollout | None:
    """Return the last rollout of an automation."""
    return ROLLOUT.read_first(tx.all("find_last_rollout", (automation,)))


def find_version(tx: Transaction, automation: str, version: int) -> AutomationVersion | None:
    """Return a version on record."""
    return AUTOMATION_VERSION.read_first(tx.all("find_automation_version", (automation, version)))


def may_take_force(tx: Transaction, row: AutomationRow, version_in_force: int | None) -> bool:
    """Return whether an announced version may be the one in force; one that takes it from a rollout in progress supersedes that."""
    if row.version == version_in_force:
        return True
    if row.is_candidate:
        return False
    rollouts = ROLLOUT.read_all(tx.all("list_rollouts", (row.name, 0, _MOST_ROLLOUTS)))
    if not can_take_force(row.version, rollouts):
        return False
    if rollouts and rollouts[0].is_active:
        reason = f"version {row.version} was deployed without rollout=True"
        write_move(tx, rollouts[0], RolloutMove.SUPERSEDE, ROLLOUT_MOVES[RolloutMove.SUPERSEDE][1], reason)
    return True


def _list_versions(tx: Transaction, automation: str) -> list[AutomationVersion]:
    return AUTOMATION_VERSION.read_all(tx.all("list_automation_versions", (automation,)))


def _answer(tx: Transaction, automation: str) -> RolloutMoved:
    rollout = find_last(tx, automation)
    assert rollout is not None  # it was written in this commit
    r = rollout
    return RolloutMoved(r.id, r.old_version, r.new_version, r.step, r.share, r.state.value)


def count_rollout_runs(tx: Transaction, command: CountRolloutRuns) -> NumberAnswer:
    """Record the outcomes of the runs that count now."""
    tx.hold("rollout", str(command.rollout))
    rollout = ROLLOUT.read_first(tx.all("find_rollout", (command.rollout,)))
    if rollout is None:
        return NumberAnswer(0)
    values = {"rollout": rollout.id, "started_before": tx.now - rollout.age_ms, "limit": command.limit}
    rows = COUNTABLE_RUN.read_all(tx.all("list_countable_runs", values))
    places: dict[int, int] = {}
    for row in rows:
        kind = None
        if row.state is not None and row.started_at is not None:
            kind = read_kind(row.state, row.settled_at, row.started_at + rollout.age_ms)
        if kind is None or tx.first("has_counted_key", (rollout.id, row.step, row.key_hash)) is not None:
            _set_outcome(tx, row.run, NOT_COUNTED)
            continue
        last = places.get(row.step) or tx.value("find_last_place", (rollout.id, row.step), int) or 0
        places[row.step] = last + 1
        duration_ms = None if row.settled_at is None or row.started_at is None else row.settled_at - row.started_at
        duration_ms = None if kind is RunOutcomeKind.NOT_ENDED else duration_ms
        numbers = _read_watched_numbers(tx, row.run, rollout) if kind is RunOutcomeKind.SUCCEEDED else None
        _set_outcome(tx, row.run, kind.value, duration_ms, last + 1, numbers)
    return NumberAnswer(len(rows))


def _set_outcome(
    tx: Transaction,
    run: str,
    outcome: str,
    duration_ms: int | None = None,
    place: int | None = None,
    numbers: str | None = None,
) -> None:
    values = {"run": run, "outcome": outcome, "duration_ms": duration_ms, "place": place, "numbers": numbers}
    tx.change("set_rollout_outcome", values)


def _read_watched_numbers(tx: Transaction, run: str, rollout: Rollout) -> str | None:
    """Return the watched numbers of a run as JSON; None = it has none."""
    if not rollout.watched:
        return None
    steps = tx.values("list_measurements_of_run", (run,), str)
    numbers = sum_measurements(msgspec.json.decode(step, type=dict[str, float]) for step in steps)
    watched = {m.name: numbers[m.name] for m in rollout.watched if m.name in numbers}
    return json.dumps(watched) if watched else None


def record_rollout_evidence(tx: Transaction, command: RecordRolloutEvidence) -> CommandDone:
    """Record the evidence of a step."""
    tx.change("record_rollout_evidence", (command.evidence, command.rollout, command.step))
    return DONE


def move_run(tx: Transaction, command: MoveRun) -> CommandDone | Refused:
    """Give a run another version, as it was replayed."""
    values = msgspec.structs.asdict(command)
    if tx.all("move_run_to_version", values):
        tx.ready = True
        return DONE
    version = tx.value("read_run_version", (command.run,), int)
    is_moved = tx.again and version == command.to_version
    return DONE if is_moved else Refused("stale", f"run {command.run!r} was claimed or ended since it was replayed")
