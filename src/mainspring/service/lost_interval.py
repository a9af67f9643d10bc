"""Decisions on the lost interval of a restored store: a person starts or dismisses what was set aside.

Nothing starts by itself. Work that may contain a step that must not happen twice starts only if its automation is named.
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
"""Most items of each kind in one operation."""


class CatchUpResult(msgspec.Struct, frozen=True, kw_only=True):
    """The work that was started, or would be. `refused` = refused parts, with the reason; `left` = automations that must be named."""

    dry_run: bool
    slots: tuple[LostSlot, ...]
    deliveries: tuple[LostDelivery, ...]
    messages: tuple[LostMessage, ...]
    refused: dict[str, str] = {}
    left: tuple[str, ...] = ()


def select_for_catch_up(found: LostInterval, names: Collection[str]) -> CatchUpResult:
    """Return what would be started for these automations; without names for all work that may happen twice."""

    def is_selected(automation: str | None) -> bool:
        return automation in names if names else automation not in found.by_name_only

    slots = tuple(slot for slot in found.slots if is_selected(slot.automation))
    deliveries = tuple(delivery for delivery in found.deliveries if is_selected(delivery.automation))
    # A message has the same id each time, so its receiver can deduplicate.
    messages = tuple(message for message in found.messages if not names or message.automation in names)
    left = () if names else tuple(sorted(found.by_name_only))
    return CatchUpResult(dry_run=True, slots=slots, deliveries=deliveries, messages=messages, left=left)


def catch_up(
    store: Store,
    reads: ServiceReads,
    clock: Clock,
    selected: CatchUpResult,
    *,
    act: OperationContext,
    sealing: Sealing = PLAIN_SEALING,
) -> CatchUpResult:
    """Start what is selected: a run for each slot, each delivery again, each message again. Each has its own audit row.

    Raises:
        StoreError: the store failed. Repeat the operation under the same command id to do the rest.
    """
    refused: dict[str, str] = {}
    for automation in dict.fromkeys(slot.automation for slot in selected.slots):
        past = [
            PastSlot(slot.schedule, slot.slot_at, SlotVerdict.LOST, None, is_to_come=False)
            for slot in selected.slots
            if slot.automation == automation
        ]
        refused |= backfill(store, reads, clock, automation, past, act=act, sealing=sealing).refused
    ids = [delivery.id for delivery in selected.deliveries]

    def replay(delivery: str) -> None:
        replay_delivery(store, clock.now(), delivery, act=act.part(delivery))

    replayed = apply_to_each(ids, replay, dry_run=False)
    sent = resend_each(store, [message.id for message in selected.messages], act=act)
    return msgspec.structs.replace(selected, dry_run=False, refused=refused | replayed.refused | sent.refused)


class DismissalResult(msgspec.Struct, frozen=True, kw_only=True):
    """The work that was dismissed, or would be. `refused` = refused parts, with the reason."""

    dry_run: bool
    slots: tuple[LostSlot, ...]
    deliveries: tuple[LostDelivery, ...]
    messages: tuple[LostMessage, ...]
    refused: dict[str, str] = {}


def select_for_dismissal(found: LostInterval, names: Collection[str]) -> DismissalResult:
    """Return what would be dismissed for these automations; without names everything, since that makes nothing happen twice."""
    return DismissalResult(
        dry_run=True,
        slots=tuple(slot for slot in found.slots if not names or slot.automation in names),
        deliveries=tuple(delivery for delivery in found.deliveries if not names or delivery.automation in names),
        messages=tuple(message for message in found.messages if not names or message.automation in names),
    )


def dismiss(store: Store, selected: DismissalResult, *, act: OperationContext) -> DismissalResult:
    """Dismiss what is selected: it starts nothing and is not sent. Each has its own audit row.

    Raises:
        StoreError: the store failed. Repeat the operation under the same command id to do the rest.
    """
    note = f"dismissed by {act.actor}: it was due or arrived in the lost interval"
    slots = {f"{slot.schedule}@{slot.slot_at}": slot for slot in selected.slots}
    deliveries = [delivery.id for delivery in selected.deliveries]
    messages = [message.id for message in selected.messages]

    def dismiss_slot(key: str) -> None:
        slot = slots[key]
        detail = {"schedule": slot.schedule, "slot_at": slot.slot_at}
        command = DismissSlot(slot.schedule, slot.slot_at, note)
        perform(store, act.part(key), "dismiss", f"automation:{slot.automation}", command, detail)

    def dismiss_delivery(id: str) -> None:
        perform(store, act.part(id), "dismiss", f"delivery:{id}", DismissDelivery(id, note))

    results = (
        apply_to_each(list(slots), dismiss_slot, dry_run=False),
        apply_to_each(deliveries, dismiss_delivery, dry_run=False),
        apply_to_each(messages, lambda id: discard(store, id, act=act.part(id)), dry_run=False),
    )
    refused = {key: reason for result in results for key, reason in result.refused.items()}
    return msgspec.structs.replace(selected, dry_run=False, refused=refused)
