"""What `mainspring db restore` shows, starts and dismisses of the lost interval: due times, deliveries, messages of that time."""

from typing import TYPE_CHECKING, Any

from mainspring.cli.context import Invocation
from mainspring.cli.exits import CONFLICT, OK
from mainspring.insight.status.lost_interval import LIST_COMMAND, count_text
from mainspring.insight.text import formatting
from mainspring.insight.text.formatting import format_instant

if TYPE_CHECKING:
    from mainspring.service.lost_interval import CatchUpResult
    from mainspring.store.maintenance.lost_interval import LostIntervalResult

_MAX_PRINTED = 20
_LIST_HINT = f"List it: {LIST_COMMAND}"


def print_set_aside(invocation: Invocation, aside: "LostIntervalResult") -> None:
    """Say what a restoring has set aside."""
    text = count_text(aside.slots, aside.deliveries, aside.messages)
    if text:
        invocation.output.line(f"Set aside, since the replaced store may have done it: {text}. {_LIST_HINT}")


def print_released(invocation: Invocation) -> None:
    """Say what stays set aside after the release."""
    found = invocation.reads.lost_interval(_max_listed())
    invocation.output.line("Released: the store goes on.")
    text = count_text(len(found.slots), len(found.deliveries), len(found.messages))
    if text:
        invocation.output.line(f"Not started, since the replaced store may have done it: {text}. {_LIST_HINT}")


def print_lost(invocation: Invocation, name: str | None) -> None:
    """List what was set aside, and what persons changed after the backup."""
    found = invocation.reads.lost_interval(_max_listed())
    output, zone = invocation.output, invocation.zone

    def is_meant(automation: str | None) -> bool:
        return name is None or automation == name

    slots = [slot for slot in found.slots if is_meant(slot.automation)]
    deliveries = [delivery for delivery in found.deliveries if is_meant(delivery.automation)]
    messages = [message for message in found.messages if is_meant(message.automation)]

    def text() -> None:
        lines = [f"{slot.schedule}  {format_instant(slot.slot_at, zone)} {zone}" for slot in slots]
        _print_part(invocation, formatting.format_count(len(lines), "due time"), lines)
        lines = [
            f"{delivery.trigger}  {formatting.escape_line(delivery.name or delivery.key, 80)}"
            for delivery in deliveries
        ]
        _print_part(invocation, formatting.format_count(len(lines), "delivery", "deliveries"), lines)
        lines = [f"{one.queue}  {one.id}" for one in messages]
        _print_part(invocation, f"{formatting.format_count(len(lines), 'message')} of the outbox", lines)
        events = [f"{event.name}  {format_instant(event.at, zone)} {zone}  {event.id}" for event in found.events]
        kept = formatting.format_count(len(events), "kept event")
        _print_part(invocation, f"{kept}, which runs that you continue may take in", events)
        if found.changes is None:
            output.line(
                "The store that was replaced cannot be read: look yourself for what was paused, resumed or retired."
            )
        else:
            lines = [f"{format_instant(one.at, zone)}  {one.actor}  {one.verb} {one.subject}" for one in found.changes]
            made = formatting.format_count(len(lines), "change")
            _print_part(invocation, f"{made} after the backup, to be made again by hand", lines)
        if slots or deliveries or messages:
            output.line("Start them: mainspring db restore --catch-up [--name NAME] [--dry-run]")
            output.line("Let them be: mainspring db restore --dismiss [--name NAME] [--dry-run]")
        if found.by_name_only:
            output.line(
                f"Only if you name them, since a step must not happen twice: {', '.join(sorted(found.by_name_only))}"
            )

    data = {
        "slots": slots,
        "deliveries": deliveries,
        "messages": messages,
        "events": found.events,
        "changes": found.changes,
    }
    output.document({**data, "by_name_only": sorted(found.by_name_only)}, text)


def start_lost(invocation: Invocation, name: str | None, *, dry_run: bool) -> int:
    """Start what was set aside; return the exit code: 8 if anything was refused."""
    from mainspring.service import lost_interval as service

    meant = service.select_for_catch_up(invocation.reads.lost_interval(service.MOST), () if name is None else (name,))
    text = count_text(len(meant.slots), len(meant.deliveries), len(meant.messages))
    if not dry_run and text:
        invocation.confirm(f"Start what may have been done after the backup already: {text}")
        meant = service.catch_up(
            invocation.store, invocation.reads, invocation.clock, meant, act=invocation.act, sealing=invocation.sealing
        )
    invocation.output.document(meant, lambda: _print_caught_up(invocation, meant, text))
    return CONFLICT if meant.refused else OK


def dismiss_lost(invocation: Invocation, name: str | None, *, dry_run: bool) -> int:
    """Decide that what was set aside starts nothing; return the exit code: 8 if anything was refused."""
    from mainspring.service import lost_interval as service

    lost = invocation.reads.lost_interval(service.MOST)
    meant = service.select_for_dismissal(lost, () if name is None else (name,))
    text = count_text(len(meant.slots), len(meant.deliveries), len(meant.messages))
    if not dry_run and text:
        invocation.confirm(f"Let what was set aside never start: {text}")
        meant = service.dismiss(invocation.store, meant, act=invocation.act)
    verb = "Would be dismissed" if meant.dry_run else "Dismissed"

    def show() -> None:
        invocation.output.line(f"{verb}: {text}." if text else "Nothing is to be dismissed.")
        _print_refused(invocation, meant.refused)

    invocation.output.document(meant, show)
    return CONFLICT if meant.refused else OK


def _print_caught_up(invocation: Invocation, meant: "CatchUpResult", text: str) -> None:
    output = invocation.output
    output.line(
        f"{'Would be started' if meant.dry_run else 'Started'}: {text}." if text else "Nothing is to be started."
    )
    _print_refused(invocation, meant.refused)
    if meant.left:
        output.line(f"Left, since a step must not happen twice: {', '.join(meant.left)}. Start one with --name NAME.")


def _print_refused(invocation: Invocation, refused: dict[str, str]) -> None:
    for what, why in list(refused.items())[:_MAX_PRINTED]:
        invocation.output.warn(f"{what}: {formatting.escape_line(why)}")


def _print_part(invocation: Invocation, head: str, lines: list[Any]) -> None:
    if lines:
        invocation.output.line(f"{head}:")
        for line in lines[:_MAX_PRINTED]:
            invocation.output.line(f"  {line}")
        if len(lines) > _MAX_PRINTED:
            invocation.output.line(f"  and {len(lines) - _MAX_PRINTED} more (--json lists all)")


def _max_listed() -> int:
    from mainspring.service.lost_interval import MOST

    return MOST
