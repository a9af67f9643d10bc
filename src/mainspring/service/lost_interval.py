"""Deciding on the lost interval of a restored store: starting what was set aside, or dismissing it, chosen by a person.

Nothing of it starts by itself. What may hold a step that must not happen twice is started only if its automation is named.
"""

from collections.abc import Collection

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.backfill import PastSlot, backfill
from mainspring.service.perform import perform
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.bulk import apply_to_each
from mainspring.service.triggers.delivery_replay import replay_delivery
from mainspring.service.triggers.outbox import discard, resend_each
from mainspring.store.base import Store
from mainspring.store.commands.automations import DismissSlot
from mainspring.store.commands.triggers import DismissDelivery
from mainspring.store.read.status.restore_losses import LostDelivery, LostInterval, LostMessage, LostSlot

MOST = 10_000
"""Of each kind, in one act."""


class CatchUpResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was started, or would be. `refused` = what could not be, and why; `left` = automations that have to be named."""

    dry_run: bool
    slots: tuple[LostSlot, ...]
    deliveries: tuple[LostDelivery, ...]
    messages: tuple[LostMessage, ...]
    refused: dict[str, str] = {}
    left: tuple[str, ...] = ()


def select_for_catch_up(found: LostInterval, names: Collection[str]) -> CatchUpResult:
    """Return what would be started for these automations; without names for all that may happen twice."""

    def is_meant(automation: str | None) -> bool:
        return automation in names if names else automation not in found.by_name_only

    slots = tuple(slot for slot in found.slots if is_meant(slot.automation))
    deliveries = tuple(delivery for delivery in found.deliveries if is_meant(delivery.automation))
    # A message keeps its id however often it is sent, so who receives it can tell.
    messages = tuple(message for message in found.messages if not names or message.automation in names)
    left = () if names else tuple(sorted(found.by_name_only))
    return CatchUpResult(dry_run=True, slots=slots, deliveries=deliveries, messages=messages, left=left)


def catch_up(
    store: Store,
    reads: ServiceReads,
    clock: Clock,
    meant: CatchUpResult,
    *,
    act: OperationContext,
    sealing: Sealing = PLAIN_SEALING,
) -> CatchUpResult:
    """Start what is meant: a run for each slot, each delivery once more, each message again. Each is audited on its own.

    Raises:
        StoreError: the store failed; what was done is done, and repeating the act under the same command id does the rest.
    """
    refused: dict[str, str] = {}
    for automation in dict.fromkeys(slot.automation for slot in meant.slots):
        past = [
            PastSlot(slot.schedule, slot.slot_at, SlotVerdict.LOST, None, is_to_come=False)
            for slot in meant.slots
            if slot.automation == automation
        ]
        refused |= backfill(store, reads, clock, automation, past, act=act, sealing=sealing).refused
    ids = [delivery.id for delivery in meant.deliveries]

    def repeat(delivery: str) -> None:
        replay_delivery(store, clock.now(), delivery, act=act.part(delivery))

    again = apply_to_each(ids, repeat, dry_run=False)
    sent = resend_each(store, [message.id for message in meant.messages], act=act)
    return msgspec.structs.replace(meant, dry_run=False, refused=refused | again.refused | sent.refused)


class DismissalResult(msgspec.Struct, frozen=True, kw_only=True):
    """What starts no more, or would not. `refused` = what could not be dismissed, and why."""

    dry_run: bool
    slots: tuple[LostSlot, ...]
    deliveries: tuple[LostDelivery, ...]
    messages: tuple[LostMessage, ...]
    refused: dict[str, str] = {}


def select_for_dismissal(found: LostInterval, names: Collection[str]) -> DismissalResult:
    """Return what would be dismissed for these automations; without names all of it: nothing can happen twice by that."""
    return DismissalResult(
        dry_run=True,
        slots=tuple(slot for slot in found.slots if not names or slot.automation in names),
        deliveries=tuple(delivery for delivery in found.deliveries if not names or delivery.automation in names),
        messages=tuple(message for message in found.messages if not names or message.automation in names),
    )


def dismiss(store: Store, meant: DismissalResult, *, act: OperationContext) -> DismissalResult:
    """Decide that what is meant starts nothing, and is not sent. Each is audited on its own.

    Raises:
        StoreError: the store failed; what was done is done, and repeating the act under the same command id does the rest.
    """
    note = f"dismissed by {act.actor}: it was due or came in the lost interval"
    slots = {f"{slot.schedule}@{slot.slot_at}": slot for slot in meant.slots}
    deliveries = [delivery.id for delivery in meant.deliveries]
    messages = [message.id for message in meant.messages]

    def dismiss_slot(key: str) -> None:
        slot = slots[key]
        detail = {"schedule": slot.schedule, "slot_at": slot.slot_at}
        command = DismissSlot(slot.schedule, slot.slot_at, note)
        perform(store, act.part(key), "dismiss", f"automation:{slot.automation}", command, detail)

    def dismiss_delivery(id: str) -> None:
        perform(store, act.part(id), "dismiss", f"delivery:{id}", DismissDelivery(id, note))

    answers = (
        apply_to_each(list(slots), dismiss_slot, dry_run=False),
        apply_to_each(deliveries, dismiss_delivery, dry_run=False),
        apply_to_each(messages, lambda id: discard(store, id, act=act.part(id)), dry_run=False),
    )
    refused = {what: why for answer in answers for what, why in answer.refused.items()}
    return msgspec.structs.replace(meant, dry_run=False, refused=refused)
