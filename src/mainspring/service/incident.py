"""Acts on an incident: acknowledge, snooze, resolve."""

from mainspring.domain.errors import ArgumentError
from mainspring.service.actor import Act
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.incidents import Acknowledge, Resolve, Snooze

LONGEST_SNOOZE_MS = 30 * 86_400_000
"""So long may an incident be snoozed at most: what is to be silent for longer is tuned, or retired."""


def acknowledge(store: Store, incident: str, *, act: Act) -> None:
    """Say that somebody looks after it: it is repeated and escalated no more, and still resolves by itself.

    Raises:
        NotFoundError: there is no such incident.
        ConflictError: it is acknowledged or resolved already.
    """
    perform(store, act, "acknowledge", f"incident:{incident}", Acknowledge(incident, str(act.actor), act.reason))


def snooze(store: Store, incident: str, until_at: int, *, now: int, act: Act) -> None:
    """Say no more of it until an instant (ms UTC); what is resolved meanwhile is told all the same.

    Raises:
        ArgumentError: the instant has passed, or is more than 30 days away.
        NotFoundError: there is no such incident.
        ConflictError: it is resolved already.
    """
    if not now < until_at <= now + LONGEST_SNOOZE_MS:
        raise ArgumentError(
            f"incident {incident} cannot be snoozed until then: {'it has passed' if until_at <= now else 'it is more than 30 days away'}",
            hint="Tune the monitor, pause or retire the automation where nobody is to hear of it for longer.",
        )
    perform(store, act, "snooze", f"incident:{incident}", Snooze(incident, until_at, str(act.actor), act.reason))


def resolve(store: Store, incident: str, *, act: Act) -> None:
    """Say that it is over; a watcher that finds it again reopens it.

    Raises:
        NotFoundError: there is no such incident.
        ConflictError: it is resolved already.
    """
    perform(store, act, "resolve", f"incident:{incident}", Resolve(incident, str(act.actor), act.reason))
