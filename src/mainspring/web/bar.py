"""What stands in the bar above each page: where one can go, and the key that goes there."""

from typing import Final, NamedTuple

from mainspring.domain.access.permissions import Role, Visitor


class Entry(NamedTuple):
    """One link. `key` follows "g"; `whole` = only those see it who are for all automations, `acts` = who may act."""

    path: str
    text: str
    key: str
    whole: bool = False
    acts: bool = False

    def is_for(self, visitor: Visitor) -> bool:
        """Tell whether a visitor sees it."""
        return (visitor.is_for_all or not self.whole) and (visitor.may(Role.OPERATOR) or not self.acts)


FIRST: Final = (
    Entry("/", "Now", "n"),
    Entry("/incidents", "Incidents", "i"),
    Entry("/automations", "Automations", "a"),
    Entry("/runs", "Runs", "r"),
    Entry("/failed", "Failed", "f"),
    Entry("/waiting", "Waiting", "w"),
    Entry("/schedule", "Schedule", "s"),
)
MORE: Final = (
    Entry("/triggers", "Triggers", "t"),
    Entry("/events", "Events", "e", whole=True),
    Entry("/workers", "Workers", "k", whole=True),
    Entry("/queues", "Queues", "q", whole=True),
    Entry("/locks", "Locks", "l", whole=True),
    Entry("/handover", "Handover", "h"),
    Entry("/audit-log", "Audit log", "u", whole=True, acts=True),
    Entry("/settings", "Settings", "c", whole=True),
)
