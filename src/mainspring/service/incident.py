"""Operations on an incident: acknowledge, snooze, resolve."""

from mainspring.domain.errors import ArgumentError
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.incidents import AcknowledgeIncident, ResolveIncident, SnoozeIncident

LONGEST_SNOOZE_MS = 30 * 86_400_000
"""Longest snooze. For longer silence tune the monitor, or retire the automation."""


def acknowledge(
    store: Store, incident: str, *, act: OperationContext, until_at: int | None = None, now: int = 0
) -> None:
    """Acknowledge an incident: no repetition or escalation follows, and it still resolves by itself.

    `until_at` = when it is open again (ms UTC, compared with `now`). None = until it is over.

    Raises:
        ArgumentError: the instant has passed, or is more than 30 days away.
        NotFoundError: there is no such incident.
        ConflictError: it is acknowledged or resolved already.
    """
    if until_at is not None:
        _check_until(f"incident {incident} cannot be acknowledged until then", until_at, now)
    command = AcknowledgeIncident(incident, str(act.actor), act.reason, until_at)
    perform(store, act, "acknowledge", f"incident:{incident}", command)


def snooze(store: Store, incident: str, until_at: int, *, now: int, act: OperationContext) -> None:
    """Send no notification of it until an instant (ms UTC), except that it is resolved.

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
    """Resolve an incident; a watcher that finds the problem again reopens it.

    Raises:
        NotFoundError: there is no such incident.
        ConflictError: it is resolved already.
    """
    perform(store, act, "resolve", f"incident:{incident}", ResolveIncident(incident, str(act.actor), act.reason))


def _check_until(refusal: str, until_at: int, now: int) -> None:
    if not now < until_at <= now + LONGEST_SNOOZE_MS:
        raise ArgumentError(
            f"{refusal}: {'it has passed' if until_at <= now else 'it is more than 30 days ahead'}",
            hint="For longer, tune the monitor, or pause or retire the automation.",
        )
