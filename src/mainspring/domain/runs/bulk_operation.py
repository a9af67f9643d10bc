"""Bulk operations: what may be done to many runs or deliveries at once, and in which batches, so that a rate is kept. Pure."""

from datetime import timedelta
from enum import StrEnum
from math import ceil
from typing import Final

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.time.rate import Rate

MAX_BULK_PARTS: Final = 20_000
"""Parts of one bulk operation."""
_BATCH_SIZE = 100
_MAX_BATCH_SIZE = 500
_SECOND = timedelta(seconds=1)
_MS = timedelta(milliseconds=1)
_LONGEST_MS = timedelta(days=36_525) // _MS
"""A slower operation would put the next batch beyond every calendar, so no list that contains it could be shown."""


class BulkVerb(StrEnum):
    """The operation on each of its parts: runs, but for REPLAY deliveries."""

    RETRY = "retry"
    CANCEL = "cancel"
    DISCARD = "discard"
    PAUSE = "pause"
    RESUME = "resume"
    REPLAY = "replay"


def part_noun(verb: BulkVerb) -> str:
    """Return the noun of its parts, for people: a run, or a delivery."""
    return "delivery" if verb is BulkVerb.REPLAY else "run"


class BulkBatches(msgspec.Struct, frozen=True):
    """How many parts at a time (one commit records them); the next ones come no earlier than `every_ms` later."""

    size: int
    every_ms: int


def plan_batches(rate: Rate | None) -> BulkBatches:
    """Return the batches that keep a rate; the process that runs them checks once a second."""
    if rate is None:
        return BulkBatches(_BATCH_SIZE, 0)
    size = min(max(1, rate.count * _SECOND // rate.per), _MAX_BATCH_SIZE)
    return BulkBatches(size, ceil(size * (rate.per / _MS) / rate.count))


def check_bulk_rate(rate: Rate | None, number: int) -> None:
    """Check a rate for this many parts.

    Raises:
        OptionError: the last of them would take more than a hundred years.
    """
    if rate is not None and number * (rate.per // _MS) > _LONGEST_MS * rate.count:
        raise OptionError(
            f"at {rate} the last of {number:,} would be done after more than a hundred years",
            hint="Choose a higher rate.",
        )
