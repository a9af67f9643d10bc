"""Reads of the ledger of effects, for people."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.effects.effect import CallOutcome, EffectRecord
from mainspring.domain.states import EffectState
from mainspring.store.base import StoreReader
from mainspring.store.schema.effects.effect_calls import EFFECT_CALL, EffectCallRow
from mainspring.store.schema.effects.effects import EFFECT, HELD_EFFECT, HeldEffect
from mainspring.store.schema.row import first_value


class EffectFilter(msgspec.Struct, frozen=True):
    """The filter of a list of effects; None = all. `prefix` = the first characters of the key, `text` = some of its characters."""

    state: EffectState | None = None
    prefix: str | None = None
    run: str | None = None
    automation: str | None = None
    since_at: int | None = None
    text: str | None = None


class EffectCursor(msgspec.Struct, frozen=True):
    """The last effect of a page: the next page continues after it."""

    at: int
    key: str


class EffectPage(msgspec.Struct, frozen=True):
    """Effects, those that changed last first; `cursor` continues the list, None = that was all."""

    effects: Sequence[EffectRecord]
    cursor: EffectCursor | None


class OpenDoubt(msgspec.Struct, frozen=True):
    """An effect in doubt that no run asks about."""

    key: str
    since_at: int
    reason: str | None


def changed_at(effect: EffectRecord) -> int:
    """Return the instant of the last change of an effect."""
    return effect.started_at if effect.settled_at is None else effect.settled_at


def list_effects(
    reader: StoreReader, filter: EffectFilter, limit: int = 50, cursor: EffectCursor | None = None
) -> EffectPage:
    """Return a page of effects."""
    rows = reader.read(
        "list_effects",
        {
            "state": None if filter.state is None else filter.state.value,
            "prefix": filter.prefix,
            "text": filter.text,
            "run": filter.run,
            "automation": filter.automation,
            "since": filter.since_at,
            "before_at": None if cursor is None else cursor.at,
            "before_key": None if cursor is None else cursor.key,
            "limit": limit + 1,
        },
    )
    effects = EFFECT.read_all(rows)
    listed = effects[:limit]
    more = EffectCursor(changed_at(listed[-1]), listed[-1].key) if len(effects) > limit and listed else None
    return EffectPage(listed, more)


def read_effect(reader: StoreReader, key: str) -> EffectRecord | None:
    """Return the effect of a key."""
    return EFFECT.read_first(reader.read("read_effect_of_key", (key,)))


def read_held_effect(reader: StoreReader, key: str) -> HeldEffect | None:
    """Return the effect of a key with the state of its holder's session."""
    return HELD_EFFECT.read_first(reader.read("read_effect", (key,)))


def list_effect_keys(reader: StoreReader, limit: int = 1_000) -> list[str]:
    """Return the keys of the effects that changed last."""
    return [effect.key for effect in list_effects(reader, EffectFilter(), limit).effects]


def list_calls_of_key(reader: StoreReader, key: str, limit: int = 50) -> list[EffectCallRow]:
    """Return the calls of a key by steps, newest first."""
    effect = read_effect(reader, key)
    calls = EFFECT_CALL.read_all(reader.read("list_effect_calls", (key, limit)))
    performing = [] if effect is None else _performing_call(effect)
    return sorted([*calls, *performing], key=lambda call: call.at, reverse=True)[:limit]


def list_calls_of_run(reader: StoreReader, run: str, limit: int = 1_000) -> list[EffectCallRow]:
    """Return the calls of the steps of a run, oldest first."""
    calls = EFFECT_CALL.read_all(reader.read("list_effect_calls_of_run", (run, limit)))
    for effect in list_effects_of_run(reader, run, limit):
        calls += _performing_call(effect)
    return sorted(calls, key=lambda call: call.at)[:limit]


def _performing_call(effect: EffectRecord) -> list[EffectCallRow]:
    """Return the call that performed an effect; the ledger writes its row only when the next effect of the key replaces it."""
    if effect.run is None or effect.state is not EffectState.DONE or effect.decided_by is not None:
        return []  # its step did not report that it happened: a person did
    step = (effect.run, effect.ident or "", effect.attempt or 0)
    return [EffectCallRow(effect.key, effect.id, *step, CallOutcome.DONE, changed_at(effect), None)]


def list_effects_of_run(reader: StoreReader, run: str, limit: int = 1_000) -> list[EffectRecord]:
    """Return the effects whose last holder is a step of a run: the ledger skips the done ones if the run repeats the step."""
    return EFFECT.read_all(reader.read("list_effects_of_run", (run, limit)))


def list_open_doubts(reader: StoreReader, unknown_before: int, limit: int = 100) -> list[OpenDoubt]:
    """Return effects in doubt that no run asks about, oldest first: outside of runs, or of a run that succeeded or was cancelled.

    An effect of unknown outcome counts too, if no call has settled it since `unknown_before`.
    """
    return [OpenDoubt(*row) for row in reader.read("list_open_doubts", (unknown_before, limit))]


def count_effects_in_doubt(reader: StoreReader, cap: int = 1_000) -> int:
    """Count the effects that need a person's decision, up to the cap, without those whose run needs attention: the run asks for it."""
    return first_value(reader.read("count_effects_in_doubt", (cap,)), int) or 0
