"""Schedules and their slots: a slot is one row, inserted once, together with its run and the next due time."""

import json
from datetime import UTC, datetime

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.states import TERMINAL_STATES, RunMove, target_state
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    BackfillSlot,
    MakeSlot,
    PullBackSchedule,
    ScheduleRow,
)
from mainspring.store.commands.results import DONE, CommandDone, Refused, StartAnswer
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs.recover_stopped_run import cancel_run
from mainspring.store.write.runs.start import start_run

RUN = SlotVerdict.RUN.value
"""The verdict on a slot that has its run."""
_NAME_CONFLICT = (
    "its schedule is not in force: a person or program created another schedule with the name {name!r}. Delete that one: "
    "mainspring schedules delete {name}. Then restart the worker."
)
EARLY_MS = 1_000
"""How far (ms) a scheduler's clock may be ahead of the store's."""


def announce_schedules(tx: Transaction, command: AnnounceDefinitions, *, is_new_store: bool = False) -> None:
    """Write the schedules of the announced automations; a schedule that its automation no longer has, ends.

    A created schedule stays as it is. If it has the name of a declared one, that one is not written, and its automation has a problem.
    """
    names: dict[str, list[str]] = {row.name: [] for row in command.automations if row.definition is not None}
    tx.hold_all("schedule", [(row.name,) for row in command.schedules])  # schedulers make slots of many in one group
    for row in command.schedules:
        names.setdefault(row.automation, []).append(row.name)
        if _write_schedule(tx, row, is_new_store=is_new_store):
            tx.change("set_schedule_input", (row.input, row.key or None, row.name))
        else:
            tx.change("record_problem", (_NAME_CONFLICT.format(name=row.name), row.automation))
    for automation, schedule_names in names.items():
        tx.change("end_other_schedules", (tx.now, automation, json.dumps(schedule_names)))


def _write_schedule(tx: Transaction, row: ScheduleRow, *, is_new_store: bool) -> bool:
    """Write one schedule. An unchanged one keeps its next slot; a changed one makes no past slots, nor does any in a
    new store.

    A schedule with only new data keeps its due slot, and computes later ones from the new data. Return False if a created schedule has its
    name.
    """
    known = tx.first("read_schedule", (row.name,))
    is_created, spec, retired_at, key, next_slot_at = known if known is not None else (0, None, None, None, None)
    if is_created:
        return False
    if known is not None and retired_at is None:
        if spec == row.spec:
            return True
        if row.key and key == row.key:
            is_due = next_slot_at is not None and next_slot_at <= tx.now
            tx.change("change_schedule", (row.spec, next_slot_at if is_due else row.next_slot_at, tx.now, row.name))
            return True
    automation = tx.first("read_announced_automation", (row.automation,))
    _, automation_retired_at, *_ = automation if automation is not None else (None, None)
    if automation_retired_at is not None:
        return True
    first, low_water = row.next_slot_at, tx.now
    if known is None and row.first_slot_at is not None and not is_new_store:
        first = low_water = row.first_slot_at
    tx.change("write_schedule", (row.name, row.automation, row.spec, low_water, first, tx.now))
    return True


def make_slot(tx: Transaction, command: MakeSlot) -> StartAnswer | CommandDone | Refused:
    """Serve one due time, once, even if several processes try."""
    c = command
    if c.slot_at > tx.now + EARLY_MS:
        # The sender's clock is ahead: all later slots would wait for that one.
        return Refused(
            "too_early", f"slot {c.slot_at} of {c.schedule!r} is not due before {c.slot_at - tx.now} ms have passed"
        )
    tx.hold("schedule", c.schedule)
    known = tx.first("find_slot", (c.schedule, c.slot_at))
    if known is not None:
        # Its schedule has passed it, unless it was pulled back to it.
        tx.change("advance_schedule", (c.slot_at, c.next_slot_at, c.schedule))
        return _answer_known_slot(tx, command, known)
    if c.version is not None and tx.value("find_schedule_version", (c.schedule,), int) != c.version:
        return Refused("stale_plan", f"schedule {c.schedule!r} was changed since slot {c.slot_at} was planned")
    answer: StartAnswer | CommandDone | Refused = DONE
    if c.start is not None:
        answer = start_run(tx, c.start)
        if isinstance(answer, Refused):
            return answer
    for cancel in c.cancels:
        cancel_run(tx, cancel)
    run = answer.run if isinstance(answer, StartAnswer) else None
    tx.change("insert_slot", (c.schedule, c.slot_at, c.verdict, run, c.note, tx.now))
    tx.change("advance_schedule", (c.slot_at, c.next_slot_at, c.schedule))
    return answer


def pull_back_schedule(tx: Transaction, command: PullBackSchedule) -> CommandDone:
    """Pull a schedule back to now, if it is ahead."""
    c = command
    tx.hold("schedule", c.schedule)
    if tx.change("pull_back_schedule", (c.next_slot_at, tx.now, c.schedule, tx.now + MAX_CLOCK_LEAD_MS)):
        tx.change("delete_slots_ahead", (c.schedule, tx.now))
    return DONE


def backfill_slot(tx: Transaction, command: BackfillSlot) -> StartAnswer | Refused:
    """Create the run of one past due time, once."""
    c = command
    tx.hold("schedule", c.schedule)
    schedule = tx.first("read_schedule", (c.schedule,))
    if schedule is None:
        return Refused("not_found", f"there is no schedule {c.schedule!r}")
    known = tx.first("find_slot", (c.schedule, c.slot_at))
    verdict, run = known if known is not None else (None, None)
    if verdict == RUN and run == c.start.id:  # sent again
        return start_run(tx, c.start)
    if verdict == RUN and not c.again:
        return Refused("has_run", f"{c.schedule!r} has its run of {_format_instant(c.slot_at)} already: {run}")
    if run is not None and tx.value("find_run_state", (run,), str) not in (None, *TERMINAL_STATES):
        return Refused("has_run", f"run {run} of {c.schedule!r} for {_format_instant(c.slot_at)} has not ended")
    *_, next_slot_at = schedule
    if c.slot_at > tx.now or (known is None and next_slot_at is not None and c.slot_at >= next_slot_at):
        return Refused(
            "not_past",
            f"{_format_instant(c.slot_at)} is still in the future for {c.schedule!r}: its schedule starts that run",
        )
    answer = start_run(tx, c.start)
    if isinstance(answer, Refused):
        return answer
    if known is None:
        tx.change("insert_slot", (c.schedule, c.slot_at, RUN, answer.run, c.note, tx.now))
    else:
        tx.change("change_slot", (RUN, answer.run, c.note, tx.now, int(verdict == RUN), c.schedule, c.slot_at))
    return answer


def _format_instant(slot_at: int) -> str:
    """Return an instant for people: a refusal may be read far from the time zone of its schedule."""
    return f"{datetime.fromtimestamp(slot_at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _answer_known_slot(
    tx: Transaction, command: MakeSlot, known: tuple[object, ...]
) -> StartAnswer | CommandDone | Refused:
    verdict, run = known
    if tx.again and verdict == command.verdict:
        if command.start is None and run is None:
            return DONE
        if command.start is not None and run == command.start.id:
            state = tx.value("find_run_state", (run,), str)
            return StartAnswer(str(run), created=True, state=state or target_state(RunMove.STAGE))
    return Refused("taken", f"slot {command.slot_at} of {command.schedule!r} is served already ({verdict})")
