"""What a process of `mainspring up` is for."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from mainspring.domain.errors import OptionError, UnknownNameError


class ProcessRole(StrEnum):
    """Any number of machines keep any mix of these; none of them leads."""

    WORKER = "worker"
    """Runs the code of users. The only one that imports it."""
    SCHEDULER = "scheduler"
    """Makes the runs of due slots, from what workers announced."""
    WATCHER = "watcher"
    """Buries the dead, deletes what is past its retention, takes in the spool."""
    WEB = "web"
    """Answers probes and tells figures over HTTP."""


SUPERVISOR: Final = "supervisor"
HEARTBEAT_ROLES: Final = frozenset({*ProcessRole, SUPERVISOR, "dev", "app"})
"""Of processes that say again and again that they live; one that wraps a command need not."""


def read_process_role(text: str) -> str:
    """Return a role's name as it is kept.

    Raises:
        UnknownNameError: there is none of this name; tells the nearest.
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
