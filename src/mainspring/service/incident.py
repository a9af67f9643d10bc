"""Acts on an incident: acknowledge, snooze, resolve."""

from mainspring.domain.errors import ArgumentError
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.incidents import AcknowledgeIncident, ResolveIncident, SnoozeIncident

LONGEST_SNOOZE_MS = 30 * 86_400_000
"""So long may an incident be snoozed at most: what is to be silent for longer is tuned, or retired."""


def acknowledge(
    store: Store, incident: str, *, act: OperationContext, until_at: int | None = None, now: int = 0
) -> None:
    """Say that somebody looks after it: it is repeated and escalated no more, and still resolves by itself.

    `until_at` = so long; then it is open again (ms UTC, judged at `now`). None = until it is over.

    Raises:
        ArgumentError: the instant has passed, or is more than 30 days away.
        NotFoundError: there is no such incident.
        ConflictError: it is acknowledged or resolved already.
    """
    if until_at is not None:
        _check_until(f"incident {incident} cannot be acknowledged until then", until_at, now)
    said = AcknowledgeIncident(incident, str(act.actor), act.reason, until_at)
    perform(store, act, "acknowledge", f"incident:{incident}", said)


def snooze(store: Store, incident: str, until_at: int, *, now: int, act: OperationContext) -> None:
    """Say no more of it until an instant (ms UTC); what is resolved meanwhile is told all the same.

    Raises:
        ArgumentError: the instant has passed, or is more than 30 days away.
        NotFoundError: there is no such incident.
        ConflictError: it is resolved already.
    """
    _check_until(f"incident {incident} cannot be snoozed until then", until_at, now)
    perform(
        store, act, "snooze", f"incident:{incident}", SnoozeIncident(incident, until_at, str(act.actor), act.reason)
    )


def resolve(store: Store, incident: str, *, act: OperationContext) -> None:
    """Say that it is over; a watcher that finds it again reopens it.

    Raises:
        NotFoundError: there is no such incident.
        ConflictError: it is resolved already.
    """
    perform(store, act, "resolve", f"incident:{incident}", ResolveIncident(incident, str(act.actor), act.reason))


def _check_until(what: str, until_at: int, now: int) -> None:
    if not now < until_at <= now + LONGEST_SNOOZE_MS:
        raise ArgumentError(
            f"{what}: {'it has passed' if until_at <= now else 'it is more than 30 days away'}",
            hint="Tune the monitor, pause or retire the automation where nobody is to hear of it for longer.",
        )
