"""Alerts for channels: a Notifier leases a channel with its due alerts, sends them, and settles."""

import msgspec

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone


class DueAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert to be sent; `seq` is its position, `id` its own id, the same in every try."""

    seq: int
    id: str
    about: NotificationEvent
    opened: int
    """The opening of the incident that it reports."""
    at: int
    """When the reported event happened (ms UTC)."""
    incident: Incident | None
    """The incident at the time of the lease; None = a digest of early signs."""
    ref: str | None = None
    """By what the channel finds its earlier message about this opening."""
    is_notified: bool = False
    """Whether the channel accepted an alert about this opening before."""
    is_again: bool = False
    """Whether an earlier lease ended without a result: the alert may have been delivered."""
    since_at: int = 0
    """Since when the channel is notified of this opening: an incident that was part of another one is notified only
    once it no longer is.
    """

    @property
    def is_digest(self) -> bool:
        """Whether it is sent together with others of the lowest severity."""
        return self.incident is None or self.incident.severity is Severity.DIGEST


class LeasedChannel(msgspec.Struct, frozen=True):
    """A channel that a Notifier may notify, with its oldest due alerts; `failures` = failed tries in a row."""

    name: str
    failures: int
    alerts: tuple[DueAlert, ...]


class LeasedChannels(msgspec.Struct, frozen=True, tag="alerts_taken"):
    """The channels that were leased."""

    channels: tuple[LeasedChannel, ...]


class LeaseChannels(BookkeepingCommand[LeasedChannels], frozen=True):
    """Lease those of `channels` that have due alerts and no lease, for `lease_ms` from the commit on. Answer:
    LeasedChannels.

    `lease` = an id of this lease; `most` = alerts of each, in the order of their `seq`, and behind them all of a
    digest. A lease ends with its session too. Leased alerts are marked as tried in this commit; a SettleAlerts that
    certainly leaves them unsent removes the mark.
    """

    lease: str
    lease_ms: int
    channels: tuple[str, ...]
    most: int


class SentAlert(msgspec.Struct, frozen=True):
    """An alert that the channel accepted, and by what it finds it again (None = unchanged)."""

    seq: int
    ref: str | None = None


class RefusedAlert(msgspec.Struct, frozen=True):
    """An alert that the channel will never accept, and the reason."""

    seq: int
    fault: str


class SettleAlerts(BookkeepingCommand[CommandDone], frozen=True, kw_only=True):
    """Record the results for a channel's alerts, and end its lease. Answer: CommandDone. Sent alerts count as sent,
    even if another lease is current.

    `dropped` = alerts that need not be sent any more. `untried` = leased alerts that were certainly not delivered; the
    others may have been. `away` = why the rest could not be sent: the channel gets no alerts for `retry_after_ms` then.
    """

    lease: str
    channel: str
    sent: tuple[SentAlert, ...] = ()
    refused: tuple[RefusedAlert, ...] = ()
    dropped: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    away: str | None = None
    retry_after_ms: int = 0
