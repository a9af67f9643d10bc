"""The undecided rest of the lost interval of a restored store, in words."""

from typing import Final

from mainspring.insight.text.formatting import format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.status.restore_losses import count_lost

LIST_COMMAND: Final = "mainspring db restore --lost"
NEXT_STEP: Final = (
    "mainspring db restore --undecided and --lost list what to decide, then mainspring db restore --release"
)
"""The next step for a store that is held."""


def count_text(slots: object, deliveries: object, messages: object) -> str:
    """Return how many of each there are: "2 due times, 1 delivery"; "" if there is none."""
    parts = ((slots, "due time"), (deliveries, "delivery", "deliveries"), (messages, "message"))
    return ", ".join(format_count(*part) for part in parts if str(part[0]) != "0")


def undecided_items_text(reader: StoreReader) -> str:
    """Return what is undecided: "11 due times of the lost interval are undecided"; "" if there is nothing."""
    lost = count_lost(reader)
    text = "" if lost is None else count_text(lost.slots, lost.deliveries, lost.messages)
    be = "is" if text.startswith("1 ") and "," not in text else "are"
    return f"{text} of the lost interval {be} undecided" if text else ""
