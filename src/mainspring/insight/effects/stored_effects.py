"""Effects as they are stored, read for people."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.errors import NotFoundError
from mainspring.domain.states import EffectState, SessionState
from mainspring.insight.effects.effect_views import EffectDetail, RunEffect, list_run_effects, make_effect_detail
from mainspring.store.base import StoreReader
from mainspring.store.liveness import find_dead, find_left_processes
from mainspring.store.read.effects import list_calls_of_key, list_calls_of_run, list_effects_of_run, read_held_effect
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.views import RunView

_LIVE = (SessionState.ALIVE, SessionState.DRAINING)


def read_effect_detail(
    reader: StoreReader, key: str, now: int, unseal: Callable[[EffectRecord], EffectRecord]
) -> EffectDetail | None:
    """Return all facts of the effect of a key, with its values opened by `unseal`; None if the ledger has no such key."""
    held = read_held_effect(reader, key)
    if held is None:
        return None
    effect = unseal(held.effect)
    run: RunView | None = None
    if effect.run is not None:
        with suppress(NotFoundError):  # the run was deleted, its effect is kept
            run = run_view(reader, effect.run)
    calls = list_calls_of_key(reader, key)
    is_held = (
        effect.state is EffectState.PENDING
        and held.session_state in _LIVE
        and effect.session not in find_dead_holders(reader, [effect])
    )
    processes = find_left_processes(reader, effect.session) if is_held and effect.session is not None else []
    return make_effect_detail(effect, calls, is_held=is_held, processes=processes, run=run, now=now)


def find_dead_holders(reader: StoreReader, effects: Sequence[EffectRecord]) -> frozenset[int]:
    """Return the dead sessions of this host, which may be alive on record, if one of the effects is pending."""
    if not any(effect.state is EffectState.PENDING for effect in effects):
        return frozenset()
    return frozenset(found.session for found in find_dead(reader))


def read_run_effects(reader: StoreReader, run: str) -> list[RunEffect]:
    """Return the calls of effects by the steps of a run."""
    return list_run_effects(list_calls_of_run(reader, run), list_effects_of_run(reader, run))
