"""Flag use: the questions that code asked about a flag, counted."""

import msgspec

from mainspring.domain.flags.flag import FlagReason, FlagSide


class FlagUse(msgspec.Struct, frozen=True):
    """Questions of one automation ("" = a program) that got the same side for the same reason."""

    flag: str
    automation: str
    side: FlagSide
    reason: FlagReason
    number: int
