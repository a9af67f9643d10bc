"""Roles of processes: the purpose of each process of `mainspring up`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from mainspring.domain.errors import OptionError, UnknownNameError


class ProcessRole(StrEnum):
    """The role of a process. Any number of machines keep any mix of these; none of them leads."""

    WORKER = "worker"
    """Runs the code of users. The only one that imports it."""
    SCHEDULER = "scheduler"
    """Creates the runs of due slots, from the announcements of workers."""
    WATCHER = "watcher"
    """Declares dead processes dead, applies retention, imports the spool."""
    WEB = "web"
    """Answers probes and serves figures over HTTP."""


SUPERVISOR: Final = "supervisor"
HEARTBEAT_ROLES: Final = frozenset({*ProcessRole, SUPERVISOR, "dev", "app"})
"""Roles of processes that send heartbeats; one that wraps a command need not."""


def read_process_role(text: str) -> str:
    """Return a role's name as it is stored.

    Raises:
        UnknownNameError: there is none of this name; names the nearest.
    """
    if text not in set(ProcessRole):
        raise UnknownNameError("role", text, [role.value for role in ProcessRole])
    return text


def parse_roles(words: Iterable[str]) -> tuple[ProcessRole, ...]:
    """Return the roles that these words name, each once and in a fixed order.

    Raises:
        UnknownNameError: a word names none.
        OptionError: no role is left: a machine without any has nothing to do.
    """
    named = {read_process_role(word) for word in words}
    if not named:
        raise OptionError("no role is named", hint=f"Name some of: {', '.join(role.value for role in ProcessRole)}.")
    return tuple(role for role in ProcessRole if role in named)
