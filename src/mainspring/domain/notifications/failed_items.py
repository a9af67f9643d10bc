"""Failed items, as a notification names them: some items of failed runs, and how many failed runs follow."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.text.escaping import escape, is_plain_line

MAX_NAMED_ITEMS = 3
MAX_ITEM_LENGTH = 120


class FailedItems(msgspec.Struct, frozen=True):
    """`names` = at most MAX_NAMED_ITEMS items, the newest first, each on one printable line; `more` = how many other runs failed."""

    names: tuple[str, ...] = ()
    more: int = 0

    def text(self, longest: int) -> str:
        """Return as many names as fit into this many characters, but at least one, and how many runs follow; "" without a name."""
        for number in range(len(self.names), 0, -1):
            more = self.more + len(self.names) - number
            end = f" and {more:,} more" if more else ""
            text = ", ".join(self.names[:number]) + end
            if len(text) <= longest:
                return text
        return _shorten_start(self.names[0], longest - len(end)) + end if self.names else ""


def collect_failed_items(items: Sequence[str], number: int) -> FailedItems:
    """Return the names of items, one for each failed run and "" for a run without one; `number` = how many runs failed in all."""
    lines = [_printable_name(item) for item in items]
    names = tuple(dict.fromkeys(line for line in lines if line))[:MAX_NAMED_ITEMS]
    named = sum(line in names for line in lines)
    return FailedItems(names, max(number - named, 0) if names else 0)


def _printable_name(item: str) -> str:
    # A long item is known by its end: the file of a path.
    line = _shorten_start(" ".join(item.split()), MAX_ITEM_LENGTH)
    return line if is_plain_line(line) else _shorten_start(escape(line), MAX_ITEM_LENGTH)


def _shorten_start(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"…{text[1 - longest :]}"
