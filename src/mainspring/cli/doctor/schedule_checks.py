"""Checks of schedules: no slot is lost, they keep their times, and their calendars are known far enough ahead."""

from collections.abc import Iterator
from datetime import UTC, datetime

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import format_count, format_moment

_WINDOW_MS = 7 * 86_400_000
_MAX_SLOTS_PRINTED = 5


def check_slots(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that each slot of the last week has a run or a recorded reason, recomputed from the definitions. None waits for a person."""
    from mainspring.insight.status.lost_interval import undecided_items_text
    from mainspring.service.slot_check import unaccounted
    from mainspring.store.read.operation_reads import OperationReads

    now = invocation.clock.now()
    gaps = invocation.rows_if_made(lambda reader: unaccounted(OperationReads(reader), now - _WINDOW_MS, now, now))
    for gap in gaps[:_MAX_SLOTS_PRINTED]:
        first, last = (format_moment(at, now, invocation.zone) for at in (gap.slots[0], gap.slots[-1]))
        yield CheckResult(
            "slots",
            "problem",
            f"{gap.schedule}: {format_count(len(gap.slots), 'due time')} with neither run nor record, from "
            f"{first} to {last}",
            f"List them: mainspring auto next {gap.automation} --from 7d. Start their runs: mainspring auto backfill",
        )
    lost = invocation.rows_if_made(lambda reader: [text for text in [undecided_items_text(reader)] if text])
    for text in lost:
        fix = "mainspring db restore --lost lists them; --catch-up starts them, --dismiss drops them"
        yield CheckResult("slots", "problem", text, fix)
    if not gaps and not lost:
        yield make_ok_result("slots", "each due time of the last week has a run, or a recorded reason for none")


def check_cadence(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that schedules start at their declared frequency."""
    from mainspring.cli.automations.automation_list import find_automations, schedule_state
    from mainspring.cli.automations.cadence import format_cadence, read_cadences

    now = invocation.clock.now()
    ready = [
        automation
        for automation in find_automations(invocation, quiet=True, needs_store=False)
        if automation.view and schedule_state(automation, now) == "ready"
    ]
    slipping = [row for automation in ready for row in read_cadences(invocation, automation, now) if row["slips"]]
    for row in slipping[:_MAX_SLOTS_PRINTED]:
        fix = (
            "Make its runs shorter or its interval longer. overlap= decides what a slot does while the last "
            "run has not ended"
        )
        yield CheckResult("cadence", "warning", f"{row['schedule']}: {format_cadence(row)}", fix)
    if not slipping:
        yield make_ok_result("cadence", "schedules start as often as declared")


def check_calendars(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the dates of holidays are known for a year ahead."""
    from mainspring.cli.automations.automation_list import find_automations

    year = datetime.fromtimestamp(invocation.clock.now() / 1000, UTC).year
    ending: dict[str, int] = {}
    for automation in find_automations(invocation, quiet=True, needs_store=False):
        for schedule in automation.definition.schedules if automation.view and automation.definition else ():
            calendar = schedule.calendar
            if calendar is not None and calendar.holidays and calendar.known_until <= year:
                ending[calendar.name] = calendar.known_until
    for name, until in sorted(ending.items()):
        text = f"calendar {name}: the dates of its holidays are known up to the end of {until}"
        yield CheckResult("calendars", "warning", text, "Restart the workers: they compute the dates of ten more years")
    if not ending:
        yield make_ok_result("calendars", "the holidays of all calendars are known for a year ahead")
