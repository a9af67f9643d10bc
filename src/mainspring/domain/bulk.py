"""Bulk acts: what may be done to many runs or deliveries at once, and in which pieces, so that a rate is kept. Pure."""

from datetime import timedelta
from enum import StrEnum
from math import ceil
from typing import Final

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.rate import Rate

MOST: Final = 20_000
"""Parts of one bulk act."""
_PIECE = 100
_LARGEST_PIECE = 500
_SECOND = timedelta(seconds=1)
_MS = timedelta(milliseconds=1)
_LONGEST_MS = timedelta(days=36_525) // _MS
"""No calendar reaches to where the next piece of a slower one is due, so no list that holds it could be shown."""


class BulkVerb(StrEnum):
    """What is done to each of its parts: runs, but for the last, deliveries."""

    RETRY = "retry"
    CANCEL = "cancel"
    DISCARD = "discard"
    REPLAY = "replay"


def noun_of(verb: BulkVerb) -> str:
    """Return what its parts are, in the words of people: a run, or a delivery."""
    return "delivery" if verb is BulkVerb.REPLAY else "run"


class Pieces(msgspec.Struct, frozen=True):
    """So many parts at a time (one commit notes them), and the next ones not before `every_ms` later."""

    size: int
    every_ms: int


def pieces_of(rate: Rate | None) -> Pieces:
    """Return the pieces that keep a rate; whoever does them looks once a second."""
    if rate is None:
        return Pieces(_PIECE, 0)
    size = min(max(1, rate.count * _SECOND // rate.per), _LARGEST_PIECE)
    return Pieces(size, ceil(size * (rate.per / _MS) / rate.count))


def check_rate(rate: Rate | None, number: int) -> None:
    """Take a rate for so many parts.

    Raises:
        OptionError: nobody lives to see the last of them.
    """
    if rate is not None and number * (rate.per // _MS) > _LONGEST_MS * rate.count:
        raise OptionError(
            f"at {rate} the last of {number:,} would be done after more than a hundred years",
            hint="Choose a higher rate.",
        )
