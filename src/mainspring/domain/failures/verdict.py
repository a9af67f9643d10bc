"""The verdict on one failure: can trying again help, when, and did anything leave this machine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Self


class FailureKind(StrEnum):
    """Whether trying again can help after a failure."""

    TRANSIENT = "transient"
    """The cause can pass by itself: time-outs, connections, overload, locks."""
    PERMANENT = "permanent"
    """The same call fails again for sure: validation, authentication, a mistake in the code."""
    UNKNOWN = "unknown"
    """Nothing is known; tried again, but only within the bounds of the step's policy."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a classifier; `code` is stable snake_case, `not_sent` means proof, not likelihood."""

    kind: FailureKind
    code: str
    retry_after: timedelta | None = None
    not_sent: bool = False
    is_presumed: bool = field(default=False, compare=False)
    """It comes from the built-in table, not from the author of the code."""

    @classmethod
    def transient(cls, code: str, *, retry_after: timedelta | None = None, not_sent: bool = False) -> Self:
        """Return the verdict that trying again can help, after `retry_after` at the earliest. `not_sent` = proof that nothing left."""
        return cls(FailureKind.TRANSIENT, code, retry_after, not_sent)

    @classmethod
    def permanent(cls, code: str, *, not_sent: bool = False) -> Self:
        """Return the verdict that trying again cannot help. `not_sent` = it is proved that nothing left."""
        return cls(FailureKind.PERMANENT, code, None, not_sent)


Rule = Callable[[BaseException], Verdict | None]
"""A pure function that knows some exceptions, and returns None for all others."""


transient = Verdict.transient
permanent = Verdict.permanent


def unknown(code: str = "unknown") -> Verdict:
    """Return the verdict that nothing is known."""
    return Verdict(FailureKind.UNKNOWN, code)
