"""The act on all that the filter of a page means: first it is counted, then it is asked for, and goes on by itself at a page of its own."""

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
    BulkVerb.CANCEL: "asked to stop, and ends as its automation says",
    BulkVerb.DISCARD: "discarded: what needs a person fails, with all that follows; what failed is settled",
    BulkVerb.REPLAY: "let arrive once more, as a delivery whose filter and pace decide anew",
}
HARMFUL: Final = frozenset({BulkVerb.CANCEL, BulkVerb.DISCARD})
"""What nobody can take back."""


class BulkConfirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What an act would do: `said` in words, `fault` = why it cannot be asked for so. `line` = the command line that asks for it."""

    verb: BulkVerb
    line: str
    number: int = 0
    automations: tuple[str, ...] = ()
    said: str = ""
    fault: str = ""

    @property
    def is_harmful(self) -> bool:
        """Whether nobody can take it back."""
        return self.verb in HARMFUL


def read_rate(typed: str) -> str | None:
    """Return the rate that was typed; None = as fast as it goes. Raises OptionError."""
    written = typed.strip()[:_LONGEST_RATE] or None
    if written is not None:
        parse_rate(written)
    return written


def count_targets(
    verb: BulkVerb, line: str, rate: str, count: Callable[[str | None], BulkOperationResponse]
) -> BulkConfirmation:
    """Return what an act would do, as `count` finds it at this rate; nothing is done."""
    try:
        written = read_rate(rate)
        begun = count(written)
        if begun.more:
            raise ArgumentError(f"more than {MAX_BULK_PARTS:,} {count_parts_text(verb)} fit: take them in parts")
    except MainspringError as error:
        return BulkConfirmation(verb=verb, line=line, fault=describe_error(error)[1])
    left_out = f" {begun.left_out:,} more fit and are left out: {LEFT_OUT_REASONS}." if begun.left_out else ""
    if not begun.count:
        said = f"No {part_noun(verb)} fits, so there is nothing to do.{left_out}"
        return BulkConfirmation(verb=verb, line=line, said=said)
    takes = ""
    if written is not None:
        each = parse_rate(written)
        takes = (
            f" It takes some {format_span(round(begun.count * (each.per / timedelta(milliseconds=1)) / each.count))}."
        )
    which = f"{count_parts_text(verb, begun.count)} of {format_count(len(begun.automations), 'automation')}"
    said = f"{which}: each is {_RESULT_WORDS[verb]}.{takes}{left_out}"
    return BulkConfirmation(verb=verb, line=line, number=begun.count, automations=begun.automations, said=said)
