"""The lost interval: put a store on hold that lacks its latest commits, and skip slots, deliveries and messages that
may have been processed since.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.lost_interval import LOST_EFFECT_NOTE, LOST_INTERVAL_NOTE, LOST_MOVES_REASON
from mainspring.domain.states import EffectState
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.restore_hold import (
    HOLD_KEY,
    LOST_CHANGES,
    LOST_COMMITS,
    LOST_EFFECTS,
    LOST_FROM,
    RESTORED_AT,
)
from mainspring.store.schema.effects.effects import HELD_EFFECT, NEW_EFFECT
from mainspring.store.transaction import Transaction

_DECIDING = frozenset({"pause", "resume", "retire"})
_MOST_SLOTS = 10_000
"""The newest slots of one schedule; older ones are neither listed nor created."""


class LostIntervalResult(msgspec.Struct, frozen=True):
    """Counts of what was skipped; `first_at` = the oldest slot (ms), None without slots."""

    first_at: int | None = None
    slots: int = 0
    deliveries: int = 0
    messages: int = 0
    effects: int | None = None
    """Those carried over in doubt; None = the effects of the interval are unknown."""


def put_on_hold(tx: Transaction, entries: Mapping[str, str | None]) -> LostIntervalResult:
    """Skip what may have been processed, and put the store on hold: nothing is claimed until a person releases it.

    Rollouts are paused: one that was aborted in the interval must not bring its version into force. `entries` = further
    entries of `meta`, None = removed. Earlier commit marks prove nothing from this commit on.
    """
    skipped = refuse_lost_interval(tx)
    tx.change("pause_rollouts", (LOST_MOVES_REASON,))
    written = {
        HOLD_KEY: "1",
        RESTORED_AT: str(tx.now),
        LOST_FROM: str(tx.now if skipped.first_at is None else skipped.first_at),
        LOST_CHANGES: None,
        LOST_EFFECTS: None,
        LOST_COMMITS: None,
        **entries,
    }
    for key, value in written.items():
        tx.change(*(("delete_meta", (key,)) if value is None else ("put_meta", (key, value))))
    tx.change("raise_epoch")
    return skipped


def hold_for_lost_commits(tx: Transaction, lost: LostCommits) -> LostIntervalResult:
    """Put a store on hold that went back in time, and record the lost commits."""
    record = msgspec.structs.replace(lost, found_at=tx.now)
    tx.change("raise_epoch_to", (lost.epoch,))
    return put_on_hold(tx, {LOST_COMMITS: msgspec.json.encode(record).decode(), "restored_from": None})


def refuse_lost_interval(tx: Transaction) -> LostIntervalResult:
    """Start nothing that was due, received and undecided, or unsent when the copy was made."""
    slots: list[int] = []
    for name, spec, next_slot_at in tx.all("list_schedules_due_by", (tx.now,)):
        slots += _skip_slots(tx, name, spec, next_slot_at)
    deliveries = tx.change("fail_undecided_deliveries", (LOST_INTERVAL_NOTE, tx.now))
    return LostIntervalResult(
        min(slots, default=None), len(slots), deliveries, tx.change("refuse_unsent_messages", (LOST_INTERVAL_NOTE,))
    )


def carry_effects(tx: Transaction, effects: Sequence[EffectRecord]) -> int:
    """Add effects of the replaced store that the copy lacks, all in doubt: done or not, only their targets know it. Return how many."""
    number = 0
    for effect in effects:
        held = HELD_EFFECT.read_first(tx.all("read_effect", (effect.key,)))
        if held is not None and (held.effect.id, held.effect.intent) == (effect.id, effect.intent):
            continue
        row = msgspec.structs.replace(
            effect, state=EffectState.IN_DOUBT, settled_at=tx.now, note=LOST_EFFECT_NOTE, session=None, decided_by=None
        )
        tx.change("write_effect", NEW_EFFECT.values(row))
        number += 1
    return number


def affects_starts(verb: str, subject: str) -> bool:
    """Tell whether a recorded operation pauses, resumes or ends something, sets a flag or moves a rollout: it must be
    repeated after a restore.
    """
    return verb in _DECIDING or subject.startswith("flag:") or verb.startswith("rollout ")


def _skip_slots(tx: Transaction, name: str, spec: bytes, next_slot_at: int) -> list[int]:
    data = json.loads(spec)
    if data.pop("expected", False):  # another program starts it
        return []
    schedule = Schedule.from_data(data)
    missing = [
        slot_at
        for slot_at in schedule.newest_between(next_slot_at - 1, tx.now, _MOST_SLOTS)
        if tx.first("find_slot", (name, slot_at)) is None
    ]
    for slot_at in missing:
        tx.change("insert_slot", (name, slot_at, SlotVerdict.LOST.value, None, LOST_INTERVAL_NOTE, tx.now))
    tx.change("advance_schedule", (tx.now, schedule.next_after(tx.now), name))
    return missing
