"""Reconciliation of the ledger of effects with the targets that can be asked: each day in a worker, and by `mainspring effects reconcile`.

Role: calls `check=` of the actions in the loaded code for the effects of their keys. Invariants: it performs no effect; it changes no row
whose outcome a person has decided; an error of one check stops no other.
"""

import asyncio
import functools
import inspect
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from mainspring.app.action import Action
from mainspring.domain.clock import Clock
from mainspring.domain.effects.effect import EffectRecord, Recovery
from mainspring.domain.errors import MainspringError
from mainspring.domain.states import EffectState
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.template import expand_template
from mainspring.engine.attempts.effect import Check, require_check_reply
from mainspring.engine.definitions.references import find_action_steps
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.effect import confirm_effect, dispute_effect
from mainspring.store.commands.automations import SetMeta
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.effects import EffectFilter, changed_at, list_effects
from mainspring.store.read.status.status import meta

_LOG = logging.getLogger("mainspring.effects")
RECONCILED_KEY = "effects_reconciled_at"
"""The entry of `meta` with the start of the newest daily reconciliation."""
_DAY_MS = 86_400_000
_OVERLAP_MS = 3_600_000
"""A day begins before the last one ended, so that no effect is left out."""
_PAGE = 500
_MAX_TEXT = 300
_CHECKED_STATES = (EffectState.UNKNOWN, EffectState.IN_DOUBT, EffectState.DONE)


class ReconciliationResult(msgspec.Struct):
    """The result: how many effects the targets were asked about, and the keys of those that differ.

    `confirmed` = of unknown outcome before, and at the target. `missing` = on record as done, and not at the target: now in doubt.
    `failed` = those whose check raised, with its error.
    """

    checked: int = 0
    confirmed: list[str] = msgspec.field(default_factory=list)
    missing: list[str] = msgspec.field(default_factory=list)
    failed: dict[str, str] = msgspec.field(default_factory=dict)


def list_checked_actions(registry: Registry) -> list[Action[..., Any]]:
    """Return the actions with `once=` and `check=` that the code of the automations names."""
    found: dict[int, Action[..., Any]] = {}
    for automation in registry:
        for step in () if automation.fn is None else find_action_steps(automation.fn):
            if isinstance(step, Action) and step.once is not None and step.check is not None:
                found[id(step)] = step
    return list(found.values())


def reconcile(
    store: ProcessStore,
    actions: Iterable[Action[..., Any]],
    sealing: Sealing,
    clock: Clock,
    since_at: int,
    act: OperationContext,
) -> ReconciliationResult:
    """Ask the targets about each effect of these actions that changed since an instant (ms), unless its window is over.

    Raises:
        StoreUnavailableError: the store is away.
    """
    result, known = ReconciliationResult(), list(actions)
    for effect in _list_changed_effects(store, since_at, clock.now()) if known else ():
        try:
            call = _find_check(effect, known, sealing)
            if call is None:
                continue
            result.checked += 1
            reply = call()
            require_check_reply(effect.key, reply)
            _compare(store, effect, reply, sealing, act, result)
        except Exception as error:  # noqa: BLE001 - of the user's code, which stops no other check
            result.failed[effect.key] = escape(KNOWN_SECRETS.redact(f"{type(error).__name__}: {error}"), _MAX_TEXT)
    return result


def _list_changed_effects(store: ProcessStore, since_at: int, now: int) -> Iterator[EffectRecord]:
    for state in _CHECKED_STATES:
        page = list_effects(store.reader, EffectFilter(state, since_at=since_at), _PAGE)
        while page.effects:
            for effect in page.effects:
                is_over = effect.within_ms is not None and changed_at(effect) + effect.within_ms <= now
                if effect.decided_by is None and not is_over:
                    yield effect
            if page.cursor is None:
                break
            page = list_effects(store.reader, EffectFilter(state, since_at=since_at), _PAGE, page.cursor)


def _find_check(effect: EffectRecord, actions: list[Action[..., Any]], sealing: Sealing) -> Callable[[], Any] | None:
    """Return the check of the action whose key this is, bound to the arguments of the effect; None if there is none."""
    if effect.recovery is not Recovery.CHECK:
        return None
    identity = sealing.open(effect.identity)
    values = msgspec.json.decode(identity)
    for action in actions if isinstance(values, dict) else ():
        if action.check is not None and _has_key(action, values, effect.key):
            args, kwargs = decode_call(read_signature(inspect.unwrap(action.fn)), identity)
            return functools.partial(_call, action.check, args, kwargs)
    return None


def _has_key(action: Action[..., Any], values: dict[str, Any], key: str) -> bool:
    with suppress(MainspringError):  # other arguments than those of this action
        return action.once is not None and expand_template(action.once, values) == key
    return False


def _call(check: Check, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    reply = check(*args, **kwargs)
    if not inspect.isawaitable(reply):
        return reply

    async def wait() -> Any:
        return await reply

    return asyncio.run(wait())


def _compare(
    store: ProcessStore,
    effect: EffectRecord,
    reply: Any,
    sealing: Sealing,
    act: OperationContext,
    result: ReconciliationResult,
) -> None:
    is_there = reply is not None and reply is not False
    if effect.state is EffectState.DONE:
        if not is_there:
            dispute_effect(store, effect, act=act.part(effect.id))
            result.missing.append(effect.key)
    elif is_there:
        confirm_effect(store, effect.key, None if reply is True else reply, sealing=sealing, act=act.part(effect.id))
        result.confirmed.append(effect.key)


class DailyReconciliation:
    """The reconciliation in workers: once a day for a store, by one of them, in a thread of its own."""

    def __init__(self, registry: Registry, sealing: Sealing, clock: Clock) -> None:
        self._registry = registry
        self._sealing = sealing
        self._clock = clock
        self._actor = Actor.app(os.getpid(), socket.gethostname())
        self._thread: threading.Thread | None = None

    def run_if_due(self, store: ProcessStore) -> None:
        """Start it if a day has passed since the last one of any worker."""
        now = self._clock.now()
        last_at = int(meta(store.reader, RECONCILED_KEY) or 0)
        is_due = not last_at or not 0 <= now - last_at < _DAY_MS
        if not is_due or (self._thread is not None and self._thread.is_alive()):
            return
        actions = list_checked_actions(self._registry)
        if not actions:
            return
        store.apply(SetMeta(RECONCILED_KEY, str(now)))
        since_at = (last_at or now - _DAY_MS) - _OVERLAP_MS
        self._thread = threading.Thread(
            target=self._run,
            args=(store, actions, min(since_at, now - _DAY_MS)),
            name="mainspring-reconcile",
            daemon=True,
        )
        self._thread.start()

    def _run(self, store: ProcessStore, actions: list[Action[..., Any]], since_at: int) -> None:
        act = operation_context(self._actor, self._clock, reason="daily reconciliation")
        try:
            result = reconcile(store, actions, self._sealing, self._clock, since_at, act)
        except Exception:  # noqa: BLE001 - tomorrow is another day
            _LOG.exception("the effects could not be compared with their targets")
            return
        for key in result.missing:
            _LOG.warning("effect %s is on record as done, and its target does not have it", escape(key, _MAX_TEXT))
        for key, text in result.failed.items():
            _LOG.warning("check= of effect %s failed: %s", escape(key, _MAX_TEXT), text)
