"""An effect as the ledger has it, and a call that asks for it."""

from enum import StrEnum

import msgspec

from mainspring.domain.states import EffectState

DECIDED_BY_PARTS = "its parts on record"
"""In place of a person: it did not happen, except for parts that are on record. So its row stays, and the next call continues."""


class Recovery(StrEnum):
    """How an unknown outcome of an effect is settled."""

    CHECK = "check"
    """The target is asked whether it has the effect."""
    KEYED = "keyed"
    """The target drops duplicates by the idempotency key, so the effect is repeated under the same one."""
    PERSON = "person"
    """A person decides."""


class CallOutcome(StrEnum):
    """The outcome of one call of a key."""

    DONE = "done"
    """It performed the effect."""
    SKIPPED = "skipped"
    """The effect was done before."""
    SUPPRESSED = "suppressed"
    """An effect of the same key with another identity was done within the window."""
    RELEASED = "released"
    """It is proven that the effect did not happen."""
    UNKNOWN = "unknown"
    """Its outcome is not known."""
    BLOCKED = "blocked"
    """It performed nothing: an effect of another holder is in doubt."""


class EffectHolder(msgspec.Struct, frozen=True):
    """The caller of a key. `owner` is a text for people. An attempt of a step has all fields, other code only `owner` and `call_id`.

    `step_key` = the idempotency key of the step, which differs between the generations of a run. `call_id` is unique to the call.
    """

    owner: str
    call_id: str
    automation: str | None = None
    run: str | None = None
    ident: str | None = None
    step_key: str | None = None
    attempt: int | None = None


class EffectCall(msgspec.Struct, frozen=True):
    """A call of a key. `identity` is sealed JSON, `within_ms` None = once for all time.

    `must_match` = another identity within the window is an error too. `is_part` = the outer effect decides whether it may be performed.
    """

    key: str
    holder: EffectHolder
    identity_hash: str
    identity: bytes
    within_ms: int | None = None
    recovery: Recovery = Recovery.PERSON
    must_match: bool = False
    is_part: bool = False


class EffectRecord(msgspec.Struct, frozen=True):
    """The row of a key. `id` is the idempotency key of the effect; `intent` counts its begins, over all effects of the key.

    `repeats` = earlier intents of this effect, whose outcomes are unknown. `settled_at` = when it was done, or when its outcome became
    unknown. `refused` = why the result could not be saved.
    """

    key: str
    id: str
    state: EffectState
    intent: int
    started_at: int
    settled_at: int | None
    within_ms: int | None
    recovery: Recovery
    identity_hash: str
    identity: bytes
    result: bytes | None
    refused: str | None
    note: str | None
    decided_by: str | None
    owner: str
    call_id: str
    automation: str | None
    session: int | None
    run: str | None
    ident: str | None
    step_key: str | None
    attempt: int | None
    skips: int = 0
    suppressed: int = 0
    skipped_at: int | None = None
    skipped_by: str | None = None
    """The call of the last skip, so that a command that is sent again is counted once."""
    repeats: int = 0
    disputed: int = 0
    """1 = it was on record as done, and its target does not have it: only a person decides whether it happens again."""


class EarlierEffect(msgspec.Struct, frozen=True):
    """An effect of an earlier attempt. `identity` is sealed; `call_id` ends with the mark of the checkpoint under which it began."""

    key: str
    state: EffectState
    identity: bytes
    owner: str
    changed_at: int
    call_id: str
    step_key: str | None
    decided_by: str | None

    @property
    def is_permitted(self) -> bool:
        """Whether it is on record that it did not happen."""
        return self.state is not EffectState.DONE and self.decided_by is not None


def prefix_of_parts(id: str) -> str:
    """Return the start of the keys of all parts of an effect: the actions that its function calls. `id` = its idempotency key."""
    return f"{id}/"
