"""Losses of a restored store that wait for a person: slots, deliveries and messages of the lost interval, and stored
events.
"""

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.integrity.lost_interval import LOST_INTERVAL_NOTE
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.base import Snapshot, StoreReader
from mainspring.store.restore_hold import LOST_CHANGES, LOST_EFFECTS, LOST_FROM, RESTORED_AT
from mainspring.store.schema.row import first_value
from mainspring.store.views import Capped

_COUNTED = 1_000


class LostSlot(msgspec.Struct, frozen=True):
    """A due time for which the store has no run."""

    schedule: str
    automation: str
    slot_at: int


class LostDelivery(msgspec.Struct, frozen=True):
    """A file, a message, or another delivery that was received and undecided."""

    id: str
    trigger: str
    automation: str
    key: str
    name: str
    received_at: int


class LostMessage(msgspec.Struct, frozen=True):
    """An unsent message of the outbox. `automation` None = its run was pruned."""

    id: str
    queue: str
    automation: str | None


class LostEvent(msgspec.Struct, frozen=True):
    """An event in the copy: an unfinished run of the copy consumes it if a person continues that run and it waits for
    the event.
    """

    id: str
    name: str
    key: str | None
    at: int


class LostChange(msgspec.Struct, frozen=True):
    """An operation of a person after the backup that decides what starts: read from the replaced store."""

    at: int
    actor: str
    verb: str
    subject: str
    reason: str | None = None


class LostInterval(msgspec.Struct, frozen=True):
    """The lost interval, up to `limit` of each kind. `changes` None = the replaced store could not be read.

    `effects` = how many effects of the interval are in doubt; None = they could not be read either, so their keys are
    unknown. `by_name_only` = automations of these that may contain a step which must not happen twice: a person has to name
    them.
    """

    slots: tuple[LostSlot, ...] = ()
    deliveries: tuple[LostDelivery, ...] = ()
    messages: tuple[LostMessage, ...] = ()
    events: tuple[LostEvent, ...] = ()
    changes: tuple[LostChange, ...] | None = ()
    effects: int | None = 0
    by_name_only: frozenset[str] = frozenset()


def lost_interval(reader: StoreReader, limit: int) -> LostInterval:
    """Return what the last restore skipped; empty if the store was never restored."""
    with reader.snapshot() as read:
        meta = _read_meta(read, RESTORED_AT, LOST_FROM, LOST_CHANGES, LOST_EFFECTS)
        if RESTORED_AT not in meta:
            return LostInterval()
        interval = int(meta.get(LOST_FROM, 0)), int(meta[RESTORED_AT])
        slots = read("list_lost_slots", (SlotVerdict.LOST.value, *interval, limit))
        deliveries = read("list_lost_deliveries", (LOST_INTERVAL_NOTE, limit))
        messages = read("list_lost_messages", (LOST_INTERVAL_NOTE, limit))
        events = read("list_lost_events", (interval[1], limit))
        owners = {automation for _, automation, *_ in slots}
        names = sorted(owners | {split_trigger_name(trigger)[0] for _, trigger, *_ in deliveries})
        definitions = read("list_definitions", (msgspec.json.encode(names).decode(),))
    changes = meta.get(LOST_CHANGES)
    return LostInterval(
        tuple(LostSlot(*row) for row in slots),
        tuple(LostDelivery(id, trigger, split_trigger_name(trigger)[0], *more) for id, trigger, *more in deliveries),
        tuple(LostMessage(*row) for row in messages),
        tuple(LostEvent(*row) for row in events),
        None if changes is None else msgspec.json.decode(changes, type=tuple[LostChange, ...]),
        int(meta[LOST_EFFECTS]) if LOST_EFFECTS in meta else None,
        frozenset(name for name, definition in definitions if not _may_repeat(definition)),
    )


def _read_meta(read: Snapshot, *keys: str) -> dict[str, str]:
    """Return those of these entries of `meta` that exist."""
    return {key: value for key in keys if (value := first_value(read("read_meta", (key,)), str)) is not None}


class LostCount(msgspec.Struct, frozen=True):
    """Counts of undecided skipped rows."""

    slots: Capped
    deliveries: Capped
    messages: Capped


def count_lost(reader: StoreReader) -> LostCount | None:
    """Count what a person has to start or dismiss, up to 1,000 of each; None if the store was never restored."""
    with reader.snapshot() as read:
        meta = _read_meta(read, RESTORED_AT, LOST_FROM)
        if RESTORED_AT not in meta:
            return None
        interval = int(meta.get(LOST_FROM, 0)), int(meta[RESTORED_AT])
        lists = (
            read("list_lost_slots", (SlotVerdict.LOST.value, *interval, _COUNTED + 1)),
            read("list_lost_deliveries", (LOST_INTERVAL_NOTE, _COUNTED + 1)),
            read("list_lost_messages", (LOST_INTERVAL_NOTE, _COUNTED + 1)),
        )
    return LostCount(*(Capped(min(len(rows), _COUNTED), more=len(rows) > _COUNTED) for rows in lists))


def _may_repeat(definition: bytes) -> bool:
    """Tell whether all steps of an automation may happen twice; a workflow's steps are unknown before it runs."""
    parsed_definition = Definition.from_data(msgspec.json.decode(definition))
    return (
        parsed_definition.kind is not DefinitionKind.WORKFLOW and parsed_definition.option("delivery") != "at_most_once"
    )
