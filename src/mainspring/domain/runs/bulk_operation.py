"""Bulk acts: what may be done to many runs or deliveries at once, and in which pieces, so that a rate is kept. Pure."""

from datetime import timedelta
from enum import StrEnum
from math import ceil
from typing import Final

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.time.rate import Rate

MAX_BULK_PARTS: Final = 20_000
"""Parts of one bulk act."""
_BATCH_SIZE = 100
_MAX_BATCH_SIZE = 500
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


def part_noun(verb: BulkVerb) -> str:
    """Return what its parts are, in the words of people: a run, or a delivery."""
    return "delivery" if verb is BulkVerb.REPLAY else "run"


class BulkBatches(msgspec.Struct, frozen=True):
    """So many parts at a time (one commit notes them), and the next ones not before `every_ms` later."""

    size: int
    every_ms: int


def plan_batches(rate: Rate | None) -> BulkBatches:
    """Return the pieces that keep a rate; whoever does them looks once a second."""
    if rate is None:
        return BulkBatches(_BATCH_SIZE, 0)
    size = min(max(1, rate.count * _SECOND // rate.per), _MAX_BATCH_SIZE)
    return BulkBatches(size, ceil(size * (rate.per / _MS) / rate.count))


def check_bulk_rate(rate: Rate | None, number: int) -> None:
    """Take a rate for so many parts.

    Raises:
        OptionError: nobody lives to see the last of them.
    """
    if rate is not None and number * (rate.per // _MS) > _LONGEST_MS * rate.count:
        raise OptionError(
            f"at {rate} the last of {number:,} would be done after more than a hundred years",
            hint="Choose a higher rate.",
        )
