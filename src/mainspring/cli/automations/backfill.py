"""`mainspring auto backfill`: runs of past due times, each once."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.bulk.selection import rate_option
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.short_lists import require_known_name
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.service.backfill import BackfillAnswer, PastSlot
    from mainspring.service.runs.bulk import BulkDueTimes

_MAX_REJECTED_PRINTED = 20


@command("backfill", "start the runs of past due times")
@click.argument("name", type=params.AUTOMATION)
@click.option("--from", "first", metavar="TIME", required=True, help="first due time: 2026-03-01, or 7d (ago)")
@click.option("--to", "end", metavar="TIME", help="end, not included (default: now)")
@click.option(
    "--again", is_flag=True, help="also start a new run for due times whose run has ended; the newest run counts"
)
@click.option("--dry-run", is_flag=True, help="only list the runs that would start")
@rate_option
@pass_invocation
def backfill_command(
    invocation: Invocation, name: str, *, first: str, end: str | None, again: bool, dry_run: bool, rate: str | None
) -> int:
    """A due time that has a run already is left alone, without --again; a missed or skipped one gets its run. Needs -y.

    The runs have the lowest priority. They run one after another, unless overlap="allow". --rate stores a start time for each.
    """
    from mainspring.service.backfill import backfill, list_past_slots

    name = require_known_name("automation", name, params.read_automation_names(invocation.reader))
    now, zone = invocation.clock.now(), invocation.zone
    first_at = parse_instant(first, now, zone, back=True)
    end_at = now if end in (None, "now") else parse_instant(end or "", now, zone, back=True)
    slots = list_past_slots(invocation.reads, name, first_at, end_at, now, again=again)
    run_count = sum(slot.needs_run for slot in slots)
    if not dry_run and run_count:
        invocation.confirm(f"Start {formatting.format_count(run_count, 'run')} of {name}")
    result = backfill(
        invocation.store,
        invocation.reads,
        invocation.clock,
        name,
        slots,
        act=invocation.act,
        due=_make_due(now, rate),
        sealing=invocation.sealing,
        dry_run=dry_run,
    )
    return _print(invocation, name, result)


def _make_due(now: int, rate: str | None) -> "BulkDueTimes | None":
    from mainspring.domain.time.rate import parse_rate
    from mainspring.service.runs.bulk import BulkDueTimes

    return None if rate is None else BulkDueTimes(now, parse_rate(rate))


def _print(invocation: Invocation, name: str, result: "BackfillAnswer") -> int:
    from mainspring.cli.exits import CONFLICT, OK

    output = invocation.output
    selected = [slot for slot in result.slots if slot.needs_run]
    has_run = sum(slot.run is not None and not slot.needs_run for slot in result.slots)
    pending_count = sum(slot.is_to_come for slot in result.slots)
    slot_texts = {
        slot.key: formatting.format_moment(slot.slot_at, invocation.clock.now(), invocation.zone) for slot in selected
    }

    def print_text() -> None:
        if result.dry_run:
            for slot in selected:
                output.line(f"{slot_texts[slot.key]}  {_explain_slot(slot)}")
            output.hint(
                f"{formatting.format_count(len(selected), 'run')} of {name} would be started; nothing was done."
            )
        else:
            output.line(f"{formatting.format_count(result.made, 'run')} of {name} started.")
        if has_run:
            output.line(f"{formatting.format_count(has_run, 'due time')} had a run already.")
        if pending_count:
            output.line(
                f"{formatting.format_count(pending_count, 'due time')} left to the scheduler, which will start them."
            )
        for key, reason in list(result.refused.items())[:_MAX_REJECTED_PRINTED]:
            output.warn(f"{slot_texts[key]}: {formatting.escape_line(reason)}")
        if len(result.refused) > _MAX_REJECTED_PRINTED:
            output.warn(f"{len(result.refused) - _MAX_REJECTED_PRINTED} more were refused.")

    output.document(
        {
            "name": name,
            "dry_run": result.dry_run,
            "slots": [
                {"schedule": slot.schedule, "slot_at": slot.slot_at, "verdict": slot.verdict} for slot in selected
            ],
            "made": result.made,
            "had_run": has_run,
            "to_come": pending_count,
            "refused": result.refused,
        },
        print_text,
    )
    return CONFLICT if result.refused else OK


def _explain_slot(slot: "PastSlot") -> str:
    if slot.is_repeated:
        return f"run {slot.run}: again"
    return "not recorded" if slot.verdict is None else slot.verdict
