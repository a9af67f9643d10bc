"""What stands in the bar above each page: where one can go, and the key that goes there."""

from typing import Final, NamedTuple

from mainspring.domain.access.permissions import Role, Visitor


class NavigationEntry(NamedTuple):
    """One link. `key` follows "g"; `whole` = only those see it who are for all automations, `acts` = who may act."""

    path: str
    text: str
    key: str
    whole: bool = False
    acts: bool = False

    def is_for(self, visitor: Visitor) -> bool:
        """Tell whether a visitor sees it."""
        return (visitor.is_for_all or not self.whole) and (visitor.may(Role.OPERATOR) or not self.acts)


MAIN_ENTRIES: Final = (
    NavigationEntry("/", "Now", "n"),
    NavigationEntry("/incidents", "Incidents", "i"),
    NavigationEntry("/automations", "Automations", "a"),
    NavigationEntry("/runs", "Runs", "r"),
    NavigationEntry("/failed", "Failed", "f"),
    NavigationEntry("/waiting", "Waiting", "w"),
    NavigationEntry("/schedule", "Schedule", "s"),
)
MORE_ENTRIES: Final = (
    NavigationEntry("/triggers", "Triggers", "t"),
    NavigationEntry("/events", "Events", "e", whole=True),
    NavigationEntry("/workers", "Workers", "k", whole=True),
    NavigationEntry("/queues", "Queues", "q", whole=True),
    NavigationEntry("/locks", "Locks", "l", whole=True),
    NavigationEntry("/handover", "Handover", "h"),
    NavigationEntry("/audit-log", "Audit log", "u", whole=True, acts=True),
    NavigationEntry("/settings", "Settings", "c", whole=True),
)
