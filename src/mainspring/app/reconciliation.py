"""Reconciliation of the ledger of effects with the targets that can be asked: each day in a worker, and by `mainspring effects reconcile`.

Role: calls `check=` of the actions in the loaded code for the effects of their keys. Invariants: it performs no effect; it changes no row
whose outcome a person has decided; an error of one check stops no other.
"""

import asyncio
import inspect
import itertools
import logging
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from mainspring.app.action import Action
from mainspring.app.once import result_reader
from mainspring.domain.clock import Clock
from mainspring.domain.effects.effect import EffectRecord, Recovery
from mainspring.domain.effects.identity import hash_identity
from mainspring.domain.errors import ConflictError, FencedError, MainspringError, NotFoundError, StoreError
from mainspring.domain.states import EffectState
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import encode
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.template import expand_template
from mainspring.engine.attempts.effect import Check, require_check_reply
from mainspring.engine.definitions.references import find_action_steps
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.effect import complete_effect, dispute_effect
from mainspring.store.commands.automations import AcquireLock, ReleaseLock, SetMeta
from mainspring.store.commands.results import Refused
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.effects import EffectFilter, changed_at, list_effects
from mainspring.store.read.status.status import meta

_LOG = logging.getLogger("mainspring.effects")
RECONCILED_KEY = "effects_reconciled_at"
"""The entry of `meta` with the start of the last daily reconciliation that ended."""
_LOCK = "effects:reconcile"
_DAY_MS = 86_400_000
_OVERLAP_MS = 3_600_000
"""A day begins before the last one ended, so that no effect is left out."""
_PAGE = 500
_MAX_TEXT = 300
_MAX_LOGGED = 20
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
        StoreError, FencedError: the store cannot be used any more, or this process is closing it.
    """
    result, known = ReconciliationResult(), list(actions)
    for effect in _list_changed_effects(store, since_at, clock.now()) if known else ():
        if store.committer.fatal is not None:
            raise store.committer.fatal
        try:
            call = _find_call(effect, known, sealing)
            if call is None:
                continue
            result.checked += 1
            is_there, data = call.check_target(effect.key, sealing)
        except Exception as error:  # noqa: BLE001 - of the user's code, which stops no other check
            result.failed[effect.key] = escape(KNOWN_SECRETS.redact(f"{type(error).__name__}: {error}"), _MAX_TEXT)
            continue
        with suppress(ConflictError, NotFoundError):  # it has changed since
            _compare(store, effect, act, result, is_there=is_there, data=data)
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


class _RecordedCall(NamedTuple):
    """The call of an action that is on record, to ask the target about its effect."""

    action: Action[..., Any]
    check: Check
    identity: bytes

    def check_target(self, key: str, sealing: Sealing) -> tuple[bool, bytes | None]:
        """Return whether the target has the effect, and the sealed result.

        Raises:
            DefinitionError, ValueRefusedError: the reply is empty, or is no result of the action.
        """
        signature = read_signature(inspect.unwrap(self.action.fn))
        args, kwargs = decode_call(signature, self.identity)
        reply = _call(self.check, args, kwargs)
        require_check_reply(key, reply)
        if reply is None or isinstance(reply, bool):
            return bool(reply), None
        data = encode(reply, value_name=f"result of effect {key!r}", limit=sealing.limit)
        result_reader(key, signature)(data)
        return True, sealing.seal(data)


def _find_call(effect: EffectRecord, actions: list[Action[..., Any]], sealing: Sealing) -> _RecordedCall | None:
    """Return the call of the action whose key this is; None if there is none, or if secrets in its arguments are not on record."""
    if effect.recovery is not Recovery.CHECK:
        return None
    identity = sealing.open(effect.identity)
    if hash_identity(identity) != effect.identity_hash:
        return None
    values = msgspec.json.decode(identity)
    for action in actions if isinstance(values, dict) else ():
        if action.check is not None and _has_key(action, values, effect.key):
            return _RecordedCall(action, action.check, identity)
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
    act: OperationContext,
    result: ReconciliationResult,
    *,
    is_there: bool,
    data: bytes | None,
) -> None:
    if effect.state is EffectState.DONE:
        if not is_there:
            dispute_effect(store, effect, act=act.part(effect.id))
            result.missing.append(effect.key)
    elif is_there:
        complete_effect(store, effect, data, act=act.part(effect.id))
        result.confirmed.append(effect.key)


class DailyReconciliation:
    """The reconciliation in workers: once a day for a store, by one of them, in a thread of its own.

    The lock of that worker ends with its session. If it dies half-way, another worker compares the same effects again.
    """

    def __init__(self, registry: Registry, sealing: Sealing, clock: Clock) -> None:
        self._registry = registry
        self._sealing = sealing
        self._clock = clock
        self._actor = Actor.app(os.getpid(), socket.gethostname())
        self._actions: list[Action[..., Any]] | None = None
        self._thread: threading.Thread | None = None

    def run_if_due(self, store: ProcessStore) -> None:
        """Start it if a day has passed since the last one of any worker. In a new store, the first day begins now."""
        if self._thread is not None and self._thread.is_alive():
            return
        if not _read_last_start(store):
            store.apply(SetMeta(RECONCILED_KEY, str(self._clock.now())))
        if not self._is_due(store):
            return
        if self._actions is None:
            self._actions = list_checked_actions(self._registry)
        if not self._actions:
            return
        granted = store.apply(AcquireLock(_LOCK, str(self._actor), "asks the targets of effects"))
        if isinstance(granted, Refused):
            return  # another worker does it now
        if not self._is_due(store):
            store.apply(ReleaseLock(_LOCK, granted.token))
            return
        self._thread = threading.Thread(
            target=self._run, args=(store, self._actions, granted.token), name="mainspring-reconcile", daemon=True
        )
        self._thread.start()

    def _is_due(self, store: ProcessStore) -> bool:
        return not 0 <= self._clock.now() - _read_last_start(store) < _DAY_MS

    def _run(self, store: ProcessStore, actions: list[Action[..., Any]], token: int) -> None:
        now = self._clock.now()
        act = operation_context(self._actor, self._clock, reason="daily reconciliation")
        try:
            since_at = min(_read_last_start(store), now - _DAY_MS) - _OVERLAP_MS
            try:
                _log_result(reconcile(store, actions, self._sealing, self._clock, since_at, act))
            finally:
                store.apply(SetMeta(RECONCILED_KEY, str(now)))
                store.apply(ReleaseLock(_LOCK, token))
        except (StoreError, FencedError) as error:
            _LOG.warning("the comparison of effects with their targets ended early: %s", error)
        except Exception:  # noqa: BLE001 - tomorrow is another day
            _LOG.exception("the effects could not be compared with their targets")


def _read_last_start(store: ProcessStore) -> int:
    """Return the start of the last daily reconciliation that ended, at first that of the first worker; 0 = there was neither."""
    return int(meta(store.reader, RECONCILED_KEY) or 0)


def _log_result(result: ReconciliationResult) -> None:
    """Log what differs; of each kind only the first keys, for a target that is away fails for all."""
    for key in result.missing[:_MAX_LOGGED]:
        _LOG.warning("effect %s is on record as done, and its target does not have it", escape(key, _MAX_TEXT))
    for key, text in itertools.islice(result.failed.items(), _MAX_LOGGED):
        _LOG.warning("check= of effect %s failed: %s", escape(key, _MAX_TEXT), text)
    rest = max(len(result.missing) - _MAX_LOGGED, 0) + max(len(result.failed) - _MAX_LOGGED, 0)
    if rest:
        _LOG.warning("%d more effects are missing or could not be checked: mainspring effects reconcile", rest)
