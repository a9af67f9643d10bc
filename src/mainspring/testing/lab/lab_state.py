"""The state of a lab beside its runs: slots of schedules, effects and flags."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from mainspring.app.application import App
from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.flags.flag import SHARE_UNITS, FlagKind
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.service.actor import Actor, operation_context
from mainspring.service.flag import change_flag
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.read.status import status

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class LabSlot:
    """One due time of a schedule. `verdict` = what became of it, such as "started" or "skipped"; `run_id` None = it has no run."""

    automation: str
    at: datetime
    verdict: str
    run_id: str | None


def read_slots(app: App, automation: str | None, between: tuple[datetime, datetime] | None) -> list[LabSlot]:
    """Return the slots that were served, oldest first: of one automation or all, from the first instant until before the second."""
    reader = app.open_store().reader
    slots = [
        LabSlot(schedule.automation, datetime.fromtimestamp(slot.slot_at / 1000, UTC), slot.verdict, slot.run)
        for schedule in status.schedules(reader, automation)
        for slot in status.slots(reader, schedule.name, limit=_MOST)
    ]
    first, last = between or (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    return sorted((slot for slot in slots if first <= slot.at < last), key=lambda slot: (slot.at, slot.automation))


def read_effects(app: App, run_id: str | None) -> list[EffectRecord]:
    """Return the effects on record, of one run or all, those that changed last first."""
    return list(list_effects(app.open_store().reader, EffectFilter(run=run_id), limit=_MOST).effects)


def set_flag(app: App, name: str, value: Any) -> None:
    """Give everyone this value of a flag. Raises OptionError: another kind of value was given before."""
    kinds = ((bool, FlagKind.BOOLEAN), (str, FlagKind.STRING), (int | float, FlagKind.NUMBER), (object, FlagKind.JSON))
    kind = next(kind for types, kind in kinds if isinstance(value, types))
    if kind is FlagKind.BOOLEAN:
        change = FlagChange(kind=kind, share=SHARE_UNITS if value else 0)
    else:
        change = FlagChange(kind=kind, on_value=msgspec.json.encode(value).decode(), share=SHARE_UNITS)
    store = app.open_store()
    act = operation_context(Actor.app(0, "lab"), app.clock)
    change_flag(store, store.reader, app.clock, name, change, act=act)
