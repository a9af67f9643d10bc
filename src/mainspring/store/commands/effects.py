"""Commands on the ledger of effects."""

import msgspec

from mainspring.domain.effects.effect import CallOutcome, EarlierEffect, EffectCall
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, Refused


class EffectGranted(msgspec.Struct, frozen=True):
    """The caller may perform the effect. `id` = its idempotency key; `intent` = the number to settle it with.

    `must_check` = ask the target first: the effect may have happened.
    """

    id: str
    intent: int
    must_check: bool


class EffectFound(msgspec.Struct, frozen=True):
    """The effect was done before: its sealed result, or why that could not be saved. `suppressed` = with another identity.

    `owner` = who performed it, or who confirmed that it happened.
    """

    id: str
    settled_at: int
    result: bytes | None
    refused: str | None
    suppressed: bool
    owner: str


class EffectConflict(msgspec.Struct, frozen=True):
    """The key means something else: the sealed identity on record, and who used it."""

    identity: bytes
    owner: str
    settled_at: int


class BeginEffect(StoreCommand[EffectGranted | EffectFound | EffectConflict | Refused], frozen=True):
    """Ask for an effect; `new_id` is its idempotency key, if it is a new one.

    Answer: EffectGranted, EffectFound, EffectConflict, Refused held | nested | in_doubt.
    """

    call: EffectCall
    new_id: str

    @property
    def key(self) -> str:
        """The key of the effect."""
        return self.call.key


class SettleEffect(StoreCommand[CommandDone | Refused], frozen=True):
    """Save the outcome of an intent: DONE, RELEASED or UNKNOWN. Answer: CommandDone, Refused not_held (another intent counts).

    `id` = the idempotency key of the effect: intents of a key are counted again from 1 after its row was deleted. `was_checked` = the
    target was asked, and does not have the effect. `refused` = why the result could not be saved. `note` = why the outcome is unknown.
    `has_parts` = its function may have made calls of actions that are on record as its parts.
    """

    key: str
    id: str
    intent: int
    outcome: CallOutcome
    result: bytes | None = None
    refused: str | None = None
    note: str | None = None
    was_checked: bool = False
    has_parts: bool = False

    def is_evidence(self) -> bool:
        """Return whether the effect happened."""
        return self.outcome is CallOutcome.DONE


class EarlierEffectsFound(msgspec.Struct, frozen=True):
    """The effects under a prefix, and the keys of those that certainly did not happen."""

    effects: list[EarlierEffect]
    released: list[str]


class ListEarlierEffects(BookkeepingCommand[EarlierEffectsFound], frozen=True):
    """List the effects whose keys begin with a prefix: those of a step, or of an outer effect."""

    prefix: str


class ForgetEffect(StoreCommand[CommandDone | Refused], frozen=True):
    """Delete the row of a key: the next call performs the effect. Answer: CommandDone, Refused not_found | holder_live."""

    key: str


class DisputeEffect(StoreCommand[CommandDone | Refused], frozen=True):
    """Record that the target does not have an effect that is on record as done: it is in doubt until a person decides.

    Answer: CommandDone, Refused not_found | not_done. `id` and `intent` name the effect that was checked, and not a later one of the key.
    """

    key: str
    id: str
    intent: int
    note: str


class ConfirmEffect(StoreCommand[CommandDone | Refused], frozen=True):
    """Record that an effect in doubt did happen; `result` None = with the result on record, if it has one.

    A result replaces that of an effect which a person has confirmed before.

    Answer: CommandDone, Refused not_found | not_in_doubt | holder_live.
    """

    key: str
    result: bytes | None
    by: str
    reason: str | None = None
