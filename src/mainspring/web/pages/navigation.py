"""The navigation bar of the pages: links, and the keys that open them."""

from typing import Final, NamedTuple

from mainspring.domain.access.permissions import Role, Visitor


class NavigationEntry(NamedTuple):
    """One link. `key` follows "g"; `whole` = only for visitors who see all automations, `acts` = only for operators."""

    path: str
    text: str
    key: str
    whole: bool = False
    acts: bool = False

    def is_for(self, visitor: Visitor) -> bool:
        """Return whether a visitor sees it."""
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
