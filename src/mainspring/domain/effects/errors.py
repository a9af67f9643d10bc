"""Errors of a call that asks for an effect."""

from mainspring.domain.errors import ConflictError, MainspringError


class EffectInDoubtError(MainspringError):
    """An effect may or may not have happened, and only a person can decide."""

    code = "effect_in_doubt"


class EffectConflictError(ConflictError):
    """The key of an effect was used with another identity, or is used by the same attempt."""

    code = "effect_conflict"
