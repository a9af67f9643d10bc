"""The confirmation of a bulk operation on all that a page's filter matches: counted first, then started, with a page of its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, part_noun
from mainspring.domain.time.rate import parse_rate
from mainspring.insight.runs.bulk_description import LEFT_OUT_REASONS, count_parts_text
from mainspring.insight.text.formatting import format_count, format_span
from mainspring.web.api.endpoints.bulk_operations import BulkOperationResponse
from mainspring.web.pages.page_renderer import describe_error

_LONGEST_RATE = 40
_RESULT_WORDS: Final = {
    BulkVerb.RETRY: "continued from where it failed",
    BulkVerb.CANCEL: "cancelled, and ends as its automation says",
    BulkVerb.DISCARD: "discarded: a run that needs a person fails, with all consequences; a failed run is settled",
    BulkVerb.PAUSE: "paused: attempts under way finish, nothing else starts",
    BulkVerb.RESUME: "resumed",
    BulkVerb.REPLAY: "replayed as a new delivery, for which filter and flow control decide again",
}
HARMFUL: Final = frozenset({BulkVerb.CANCEL, BulkVerb.DISCARD})
"""Operations that cannot be undone."""


class BulkConfirmation(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of an operation: `description` in words, `fault` = why it cannot be started. `line` = the command line that starts it."""

    verb: BulkVerb
    line: str
    number: int = 0
    automations: tuple[str, ...] = ()
    description: str = ""
    fault: str = ""

    @property
    def is_harmful(self) -> bool:
        """Whether it cannot be undone."""
        return self.verb in HARMFUL


def read_rate(typed: str) -> str | None:
    """Return the typed rate; None = without a limit. Raises OptionError."""
    rate = typed.strip()[:_LONGEST_RATE] or None
    if rate is not None:
        parse_rate(rate)
    return rate


def count_targets(
    verb: BulkVerb, line: str, rate: str, count: Callable[[str | None], BulkOperationResponse]
) -> BulkConfirmation:
    """Return the effect of an operation, as `count` finds it at this rate; nothing is done."""
    try:
        read = read_rate(rate)
        counted = count(read)
        if counted.more:
            raise ArgumentError(f"more than {MAX_BULK_PARTS:,} {count_parts_text(verb)} match: select fewer")
    except MainspringError as error:
        return BulkConfirmation(verb=verb, line=line, fault=describe_error(error)[1])
    left_out = f" {counted.left_out:,} more match and are left out: {LEFT_OUT_REASONS}." if counted.left_out else ""
    if not counted.count:
        text = f"No {part_noun(verb)} matches, so there is nothing to do.{left_out}"
        return BulkConfirmation(verb=verb, line=line, description=text)
    duration_text = ""
    if read is not None:
        limit = parse_rate(read)
        duration_text = f" It takes some {format_span(round(counted.count * (limit.per / timedelta(milliseconds=1)) / limit.count))}."
    targets = f"{count_parts_text(verb, counted.count)} of {format_count(len(counted.automations), 'automation')}"
    text = f"{targets}: each is {_RESULT_WORDS[verb]}.{duration_text}{left_out}"
    return BulkConfirmation(
        verb=verb, line=line, number=counted.count, automations=counted.automations, description=text
    )
