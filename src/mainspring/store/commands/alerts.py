"""Alerts on their way to channels: a Notifier leases a channel with what is due on it, tells, and settles."""

import msgspec

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.notifications.notification import NotificationEvent


class DueAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be told; `seq` is its place, `id` the same in every try and of this alert alone."""

    seq: int
    id: str
    about: NotificationEvent
    opened: int
    """Of which opening of its incident it tells."""
    at: int
    """When what it tells of happened (ms UTC)."""
    incident: Incident | None
    """As it stands at the take; None = it is about none: a digest of early signs."""
    ref: str | None = None
    """By what the channel finds again what it showed of this opening."""
    is_told: bool = False
    """Whether the channel took anything about this opening before."""
    is_again: bool = False
    """Whether it was taken before and nobody said what became of it: it may have been shown."""
    since_at: int = 0
    """Since when the channel is to hear of this opening: what was part of another incident at first is told only once it is not."""

    @property
    def is_digest(self) -> bool:
        """Whether it is told together with others of the lowest severity."""
        return self.incident is None or self.incident.severity is Severity.DIGEST


class LeasedChannel(msgspec.Struct, frozen=True):
    """A channel that a Notifier may tell, with its oldest due alerts; `failures` = how often in a row nothing could be told."""

    name: str
    failures: int
    alerts: tuple[DueAlert, ...]


class LeasedChannels(msgspec.Struct, frozen=True, tag="alerts_taken"):
    """The channels that were taken."""

    channels: tuple[LeasedChannel, ...]


class LeaseChannels(msgspec.Struct, frozen=True):
    """Take those of `channels` that have due alerts and that nobody else has, for `lease_ms` from the commit on. Answer: LeasedChannels.

    `lease` = an id of this take; `most` = alerts of each, in the order of their `seq`, and behind them all of a digest. A lease ends with
    its session too. What is taken is marked as tried in this commit, and the mark is taken off by a SettleAlerts that leaves it unsent
    without doubt.
    """

    lease: str
    lease_ms: int
    channels: tuple[str, ...]
    most: int


class SentAlert(msgspec.Struct, frozen=True):
    """An alert that the channel took, and by what it finds it again (None = it keeps what it had)."""

    seq: int
    ref: str | None = None


class RefusedAlert(msgspec.Struct, frozen=True):
    """An alert that the channel will never take, and why."""

    seq: int
    fault: str


class SettleAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """Say what became of a channel's alerts, and give it back. Answer: Done. What was sent was sent, whoever has the lease now.

    `dropped` = what need not be told any more. `untried` = what was taken and certainly not shown; the others may have
    been. `away` = why the rest could not be told; the channel is left alone for `retry_after_ms` then.
    """

    lease: str
    channel: str
    sent: tuple[SentAlert, ...] = ()
    refused: tuple[RefusedAlert, ...] = ()
    dropped: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    away: str | None = None
    retry_after_ms: int = 0
