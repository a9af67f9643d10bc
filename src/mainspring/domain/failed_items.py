"""The items of failed runs, as a message names them: a few of them, and how many failed runs follow."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.text import escape, is_plain_line

MOST_NAMED = 3
LONGEST_NAME = 120


class FailedItems(msgspec.Struct, frozen=True):
    """`names` = at most MOST_NAMED items, the newest first, each on one printable line; `more` = how many other runs failed."""

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
        return _keep_end(self.names[0], longest - len(end)) + end if self.names else ""


def failed_items(items: Sequence[str], number: int) -> FailedItems:
    """Return the names of items, one for each failed run and "" where a run has none; `number` = how many runs failed in all."""
    lines = [_name(item) for item in items]
    names = tuple(dict.fromkeys(line for line in lines if line))[:MOST_NAMED]
    named = sum(line in names for line in lines)
    return FailedItems(names, max(number - named, 0) if names else 0)


def _name(item: str) -> str:
    # Of a long item the end is what tells: the file of a path.
    line = _keep_end(" ".join(item.split()), LONGEST_NAME)
    return line if is_plain_line(line) else _keep_end(escape(line), LONGEST_NAME)


def _keep_end(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"…{text[1 - longest :]}"
