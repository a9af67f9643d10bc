"""`mainspring auto backfill`: runs of due times of the past, each once."""

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


@command("backfill", "make the runs of due times of the past")
@click.argument("name", type=params.AUTOMATION)
@click.option("--from", "first", metavar="TIME", required=True, help="from then on: 2026-03-01, 7d (ago)")
@click.option("--to", "end", metavar="TIME", help="to then, which does not belong to it (default: now)")
@click.option("--dry-run", is_flag=True, help="only say which would be made")
@rate_option
@pass_invocation
def backfill_command(
    invocation: Invocation, name: str, *, first: str, end: str | None, dry_run: bool, rate: str | None
) -> int:
    """Due times that have their run already are left alone; missed and skipped ones are made up for. Wants -y.

    The runs go behind all other work, one after the other unless overlap="allow"; with --rate each gets a time of its own on record.
    """
    from mainspring.service.backfill import backfill, list_past_slots

    name = require_known_name("automation", name, params.read_automation_names(invocation.reader))
    now, zone = invocation.clock.now(), invocation.zone
    first_at = parse_instant(first, now, zone, back=True)
    end_at = now if end in (None, "now") else parse_instant(end or "", now, zone, back=True)
    slots = list_past_slots(invocation.reads, name, first_at, end_at, now)
    wanted = sum(slot.wants_run for slot in slots)
    if not dry_run and wanted:
        invocation.confirm(f"Start {formatting.format_count(wanted, 'run')} of {name}")
    answer = backfill(
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
    return _print(invocation, name, answer)


def _make_due(now: int, rate: str | None) -> "BulkDueTimes | None":
    from mainspring.domain.time.rate import parse_rate
    from mainspring.service.runs.bulk import BulkDueTimes

    return None if rate is None else BulkDueTimes(now, parse_rate(rate))


def _print(invocation: Invocation, name: str, answer: "BackfillAnswer") -> int:
    from mainspring.cli.exits import CONFLICT, OK

    output = invocation.output
    wanted = [slot for slot in answer.slots if slot.wants_run]
    has_run = sum(slot.run is not None for slot in answer.slots)
    to_come = sum(slot.is_to_come for slot in answer.slots)
    when = {
        slot.key: formatting.format_moment(slot.slot_at, invocation.clock.now(), invocation.zone) for slot in wanted
    }

    def text() -> None:
        if answer.dry_run:
            for slot in wanted:
                output.line(f"{when[slot.key]}  {_explain_slot(slot)}")
            output.hint(f"{formatting.format_count(len(wanted), 'run')} of {name} would be made; nothing was done.")
        else:
            output.line(f"{formatting.format_count(answer.made, 'run')} of {name} made.")
        if has_run:
            output.line(f"{formatting.format_count(has_run, 'due time')} had a run already.")
        if to_come:
            output.line(f"{formatting.format_count(to_come, 'due time')} left to the scheduler, which will come to it.")
        for key, why in list(answer.refused.items())[:_MAX_REJECTED_PRINTED]:
            output.warn(f"{when[key]}: {formatting.escape_line(why)}")
        if len(answer.refused) > _MAX_REJECTED_PRINTED:
            output.warn(f"... and {len(answer.refused) - _MAX_REJECTED_PRINTED} more were refused.")

    output.document(
        {
            "name": name,
            "dry_run": answer.dry_run,
            "slots": [{"schedule": one.schedule, "slot_at": one.slot_at, "verdict": one.verdict} for one in wanted],
            "made": answer.made,
            "had_run": has_run,
            "to_come": to_come,
            "refused": answer.refused,
        },
        text,
    )
    return CONFLICT if answer.refused else OK


def _explain_slot(slot: "PastSlot") -> str:
    return "nothing on record" if slot.verdict is None else slot.verdict
