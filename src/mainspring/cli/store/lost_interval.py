"""Lost interval in `mainspring db restore`: list, start or dismiss the due times, deliveries and messages of that time."""

from typing import TYPE_CHECKING, Any

from mainspring.cli.context import Invocation
from mainspring.cli.exits import CONFLICT, OK
from mainspring.insight.status.lost_interval import LIST_COMMAND, count_text
from mainspring.insight.text import formatting
from mainspring.insight.text.formatting import format_instant

if TYPE_CHECKING:
    from mainspring.service.lost_interval import CatchUpResult
    from mainspring.store.maintenance.lost_interval import LostIntervalResult
    from mainspring.store.read.status.restore_losses import LostChange

_MAX_PRINTED = 20
_LIST_HINT = f"List it: {LIST_COMMAND}"


def print_skipped(invocation: Invocation, skipped: "LostIntervalResult") -> None:
    """Print what a restore has set aside, and what was changed after the backup."""
    text = count_text(skipped.slots, skipped.deliveries, skipped.messages)
    if text:
        invocation.output.line(f"Not started, because the replaced store may have done it: {text}. {_LIST_HINT}")
    _print_changes(invocation, invocation.reads.lost_interval(_max_listed()).changes)
    _print_effects(invocation, skipped.effects)


def print_released(invocation: Invocation) -> None:
    """Print what stays set aside after the release, and what is still to be changed."""
    lost = invocation.reads.lost_interval(_max_listed())
    invocation.output.line("The store is released.")
    text = count_text(len(lost.slots), len(lost.deliveries), len(lost.messages))
    if text:
        invocation.output.line(f"Not started, because the replaced store may have done it: {text}. {_LIST_HINT}")
    _print_changes(invocation, lost.changes)
    _print_effects(invocation, lost.effects)


def print_lost(invocation: Invocation, name: str | None) -> None:
    """List what was set aside, and what was changed after the backup."""
    lost = invocation.reads.lost_interval(_max_listed())
    output, zone = invocation.output, invocation.zone

    def is_selected(automation: str | None) -> bool:
        return name is None or automation == name

    slots = [slot for slot in lost.slots if is_selected(slot.automation)]
    deliveries = [delivery for delivery in lost.deliveries if is_selected(delivery.automation)]
    messages = [message for message in lost.messages if is_selected(message.automation)]

    def print_text() -> None:
        lines = [f"{slot.schedule}  {format_instant(slot.slot_at, zone)} {zone}" for slot in slots]
        _print_part(invocation, formatting.format_count(len(lines), "due time"), lines)
        lines = [
            f"{delivery.trigger}  {formatting.escape_line(delivery.name or delivery.key, 80)}"
            for delivery in deliveries
        ]
        _print_part(invocation, formatting.format_count(len(lines), "delivery", "deliveries"), lines)
        lines = [f"{message.queue}  {message.id}" for message in messages]
        _print_part(invocation, f"{formatting.format_count(len(lines), 'message')} of the outbox", lines)
        events = [f"{event.name}  {format_instant(event.at, zone)} {zone}  {event.id}" for event in lost.events]
        event_count = formatting.format_count(len(events), "kept event")
        _print_part(invocation, f"{event_count}, which continued runs may receive", events)
        _print_changes(invocation, lost.changes)
        _print_effects(invocation, lost.effects)
        if slots or deliveries or messages:
            output.line("Start them: mainspring db restore --catch-up [--name NAME] [--dry-run]")
            output.line("Drop them: mainspring db restore --dismiss [--name NAME] [--dry-run]")
        if lost.by_name_only:
            output.line(
                f"Only if you name them, because a step must not run twice: {', '.join(sorted(lost.by_name_only))}"
            )

    data = {
        "slots": slots,
        "deliveries": deliveries,
        "messages": messages,
        "events": lost.events,
        "changes": lost.changes,
        "effects": lost.effects,
    }
    output.document({**data, "by_name_only": sorted(lost.by_name_only)}, print_text)


def _print_changes(invocation: Invocation, changes: "tuple[LostChange, ...] | None") -> None:
    """Print what was changed after the backup: the restored store does the opposite of it."""
    if changes is None:
        invocation.output.line(
            "The replaced store cannot be read: check yourself what was paused, resumed or retired, and which flags and "
            "rollouts were changed."
        )
        return
    lines = [
        f"{format_instant(change.at, invocation.zone)}  {change.actor}  {change.verb} {change.subject}"
        for change in changes
    ]
    change_text = formatting.format_count(len(lines), "change")
    _print_part(invocation, f"{change_text} after the backup: repeat them by hand", lines)


def _print_effects(invocation: Invocation, number: int | None) -> None:
    if number is None:
        invocation.output.line(
            "The keys of effects after the backup are unknown: a call of such a key performs its effect again after "
            "the release."
        )
    elif number:
        effects = formatting.format_count(number, "effect")
        invocation.output.line(
            f"{effects} after the backup may have happened. Decide: mainspring effects list --state in_doubt"
        )


def start_lost(invocation: Invocation, name: str | None, *, dry_run: bool) -> int:
    """Start what was set aside. Return the exit code: 8 if anything was refused."""
    from mainspring.service import lost_interval

    selection = lost_interval.select_for_catch_up(
        invocation.reads.lost_interval(lost_interval.MOST), () if name is None else (name,)
    )
    text = count_text(len(selection.slots), len(selection.deliveries), len(selection.messages))
    if not dry_run and text:
        invocation.confirm(f"Start what may already have been done after the backup: {text}")
        selection = lost_interval.catch_up(
            invocation.store,
            invocation.reads,
            invocation.clock,
            selection,
            act=invocation.act,
            sealing=invocation.sealing,
        )
    invocation.output.document(selection, lambda: _print_caught_up(invocation, selection, text))
    return CONFLICT if selection.refused else OK


def dismiss_lost(invocation: Invocation, name: str | None, *, dry_run: bool) -> int:
    """Decide that what was set aside starts nothing. Return the exit code: 8 if anything was refused."""
    from mainspring.service import lost_interval

    lost = invocation.reads.lost_interval(lost_interval.MOST)
    selection = lost_interval.select_for_dismissal(lost, () if name is None else (name,))
    text = count_text(len(selection.slots), len(selection.deliveries), len(selection.messages))
    if not dry_run and text:
        invocation.confirm(f"Drop what was not started: {text}")
        selection = lost_interval.dismiss(invocation.store, selection, act=invocation.act)
    verb = "Would be dismissed" if selection.dry_run else "Dismissed"

    def print_text() -> None:
        invocation.output.line(f"{verb}: {text}." if text else "There is nothing to dismiss.")
        _print_refused(invocation, selection.refused)

    invocation.output.document(selection, print_text)
    return CONFLICT if selection.refused else OK


def _print_caught_up(invocation: Invocation, selection: "CatchUpResult", text: str) -> None:
    output = invocation.output
    output.line(
        f"{'Would be started' if selection.dry_run else 'Started'}: {text}." if text else "There is nothing to start."
    )
    _print_refused(invocation, selection.refused)
    if selection.left:
        output.line(
            f"Left out, because a step must not run twice: {', '.join(selection.left)}. Start one with --name NAME."
        )


def _print_refused(invocation: Invocation, refused: dict[str, str]) -> None:
    for subject, reason in list(refused.items())[:_MAX_PRINTED]:
        invocation.output.warn(f"{subject}: {formatting.escape_line(reason)}")


def _print_part(invocation: Invocation, title: str, lines: list[Any]) -> None:
    if lines:
        invocation.output.line(f"{title}:")
        for line in lines[:_MAX_PRINTED]:
            invocation.output.line(f"  {line}")
        if len(lines) > _MAX_PRINTED:
            invocation.output.line(f"  and {len(lines) - _MAX_PRINTED} more (--json lists all)")


def _max_listed() -> int:
    from mainspring.service.lost_interval import MOST

    return MOST
