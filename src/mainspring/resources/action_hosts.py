"""Hosts of HTTP actions in this process, from `[actions.http]`: those that are not public and may be called all the same, and limits.

One for a whole process. A child process gets the entries of its worker.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.domain.effects.target_limits import TargetLimits

ANY_HOST = "*"
"""The entry for the hosts that have none of their own."""


class ActionHosts:
    """The allowed hosts and networks, and the limits by host. `is_configured` = the settings of the project have been applied."""

    def __init__(self) -> None:
        self.entries: frozenset[str] = frozenset()
        self.limits: dict[str, TargetLimits] = {}
        self.is_configured = False

    def allow(self, entries: Iterable[str]) -> None:
        """Allow these from now on, and those that were allowed before."""
        self.entries |= frozenset(entries)
        self.is_configured = True

    def limit(self, limits: "Mapping[str, TargetLimits]") -> None:
        """Limit these hosts from now on, and those that were limited before."""
        self.limits |= limits

    def find_limits(self, host: str) -> "TargetLimits | None":
        """Return the limits of a host; None = it has none."""
        return self.limits.get(host.lower(), self.limits.get(ANY_HOST)) if self.limits else None


ACTION_HOSTS = ActionHosts()
"""The entries of this process."""
