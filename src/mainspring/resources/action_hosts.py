"""Hosts that are not public and that the actions of this process may call all the same: `[actions.http] allow`.

One for a whole process. A child process gets the entries of its worker.
"""

from collections.abc import Iterable


class ActionHosts:
    """The allowed hosts and networks. `is_configured` = the settings of the project have been applied."""

    def __init__(self) -> None:
        self.entries: frozenset[str] = frozenset()
        self.is_configured = False

    def allow(self, entries: Iterable[str]) -> None:
        """Allow these from now on, and those that were allowed before."""
        self.entries |= frozenset(entries)
        self.is_configured = True


ACTION_HOSTS = ActionHosts()
"""The entries of this process."""
