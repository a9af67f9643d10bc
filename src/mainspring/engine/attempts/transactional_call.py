"""Transactional call: a step's effect and the row that identifies it are one commit in the user's own database.

Invariants: an attempt that finds the row returns its result and calls nothing, be it a repeat after a crash or a zombie; the
result is encoded before the commit, so the effect of a result that cannot be saved is rolled back; an abandoned attempt does not
commit (if it is too late to stop it, the next attempt finds the row of this one effect).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.errors import ConfigError, UnknownNameError
from mainspring.domain.runs.measurement import Measurement, StepRecord
from mainspring.domain.values.saved_call import decode_result, roundtrip_result
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.step_context import CURRENT_STEP, raise_attempt_closed
from mainspring.engine.attempts.thread_attempt import call_to_end
from mainspring.engine.attempts.transaction import OpenTransaction, Tx, database_name
from mainspring.store import failpoints
from mainspring.store.effect_database import EffectDatabase, StoredEffect

_RECORDS_SUFFIX = ".sends"
"""Suffix of an effect's key for the row with the events, messages and numbers of its step, in the same commit."""
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(list[StepRecord]).decode


class TransactionalCall:
    """The call that the thread of one attempt makes in place of the step's function; called once."""

    def __init__(self, database: EffectDatabase, spec: AttemptSpec, clock: Clock, sealing: Sealing) -> None:
        self._spec = spec
        self._function = spec.fn  # read now: the caller may replace it by this object
        self._clock = clock
        self._sealing = sealing
        self._transaction = OpenTransaction(database, spec.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's result, or the saved one of an earlier run.

        Raises:
            ValueRefusedError: the result cannot be saved; the effect was rolled back. And all that the function or the database raises.
        """
        try:
            self._transaction.begin()
            return self._serve(args, kwargs)
        finally:
            self._transaction.end()

    def _serve(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        spec, transaction = self._spec, self._transaction
        subject = f"result of step {spec.name!r}"
        saved = transaction.find(spec.key)
        if saved is not None:
            self._record_again()
            return decode_result(spec.signature, self._sealing.open(saved), subject)
        value = call_to_end(self._function, (Tx(transaction), *args), kwargs)
        output, same = roundtrip_result(spec.signature, value, subject, limit=spec.payload_max)
        effects = [self._effect(spec.key, output)]
        step = CURRENT_STEP.get()
        if step is not None and (step.recorded or step.measured):
            measurements = [Measurement(name, value) for name, value in step.measured.items()]
            effects.append(self._effect(spec.key + _RECORDS_SUFFIX, _ENCODE([*step.recorded, *measurements])))
        failpoints.hit("effect_commit.before")
        self._refuse_closed()
        transaction.commit(*effects)
        failpoints.hit("effect_commit.after")
        return same

    def _effect(self, key: str, data: bytes) -> StoredEffect:
        sealed = self._sealing.seal_inline(data)
        return StoredEffect(key=key, result=sealed, run=self._spec.run_id, step=self._spec.name, at=self._clock.now())

    def _record_again(self) -> None:
        """Record the saved events, messages and numbers of the earlier run: the function is not called again."""
        saved, step = self._transaction.find(self._spec.key + _RECORDS_SUFFIX), CURRENT_STEP.get()
        if saved is not None and step is not None:
            for record in _DECODE(self._sealing.open(saved)):
                step.channel.record(record)

    def _refuse_closed(self) -> None:
        """End a zombie before its `abandon` arrives; the channel of a thread's attempt is closed first."""
        step = CURRENT_STEP.get()
        if step is not None and getattr(step.channel, "closed", False):
            raise_attempt_closed(self._spec.name)

    def abandon(self) -> None:
        """Roll back the open transaction, because the attempt no longer counts; from any thread, at any time, without waiting."""
        self._transaction.abandon()


def build_transactional_call(
    database: EffectDatabase, spec: AttemptSpec, clock: Clock | None = None, sealing: Sealing = PLAIN_SEALING
) -> TransactionalCall:
    """Return the call to make in place of `spec.fn`, in a thread. `spec.signature` excludes the `tx`."""
    return TransactionalCall(database, spec, clock or SystemClock(), sealing)


def find_database(fn: Callable[..., Any], databases: Mapping[str, EffectDatabase]) -> EffectDatabase:
    """Return the database that a transactional step writes to: "default", or that of `tx: Annotated[ms.Tx, "name"]`.

    Raises:
        DefinitionError: the first parameter is no `ms.Tx`.
        ConfigError: no database has the name.
    """
    name = database_name(fn, f"step {getattr(fn, '__qualname__', type(fn).__qualname__)!r}")
    if name in databases:
        return databases[name]
    unknown = UnknownNameError("database", name, databases)
    raise ConfigError(
        unknown.message,
        hint=unknown.hint or f'Name its file in mainspring.toml: [databases], then {name} = "sqlite:///app.db".',
    )
