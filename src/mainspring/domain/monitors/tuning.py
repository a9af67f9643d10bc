"""Tuning of monitors. Each monitor has its own Struct beside its arithmetic; `[monitors]` of the configuration is made of them."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

TuningSpan = Annotated[timedelta, Meta(title="positive span")]
TuningShare = Annotated[float, Meta(title="share")]
TuningCount = Annotated[int, Meta(ge=1)]

_MILLISECOND = timedelta(milliseconds=1)


class Tuning(Struct, frozen=True, kw_only=True):
    """The tuning that every monitor has: whether it is on."""

    on: bool = True


def to_ms(span: timedelta) -> int:
    """Return a span in whole milliseconds."""
    return span // _MILLISECOND
