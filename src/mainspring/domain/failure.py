"""A failure as data: what is saved of an exception."""

from typing import Any

import msgspec

from mainspring.domain.classify import Kind, Verdict


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is saved of an exception."""

    type: str
    code: str
    message: str
    kind: Kind = Kind.UNKNOWN
    hint: str | None = None
    data: Any = None
    retry_after_ms: int | None = None
    not_sent: bool = False
    frames: list[str] = []
    cause: "Failure | None" = None

    @classmethod
    def of(cls, exc: BaseException, verdict: Verdict) -> "Failure":
        """Return the failure; never raises."""
        raise NotImplementedError
