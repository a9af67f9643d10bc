"""The alerts of a leased channel while they are told: what is still worth telling, what is told together, and what became of each."""

from collections.abc import Iterator

import msgspec

from mainspring.alerting.notifiers.base import ChannelFault
from mainspring.domain.notifications.alert_filter import should_send_alert
from mainspring.store.commands.alerts import DueAlert, LeasedChannel, RefusedAlert, SentAlert, SettleAlerts


class OutgoingNotice(msgspec.Struct, frozen=True):
    """What one notice tells: one alert, or all those of a digest."""

    alerts: tuple[DueAlert, ...]
    ref: str | None = None

    @property
    def is_again(self) -> bool:
        """Whether it may have been shown before."""
        return any(alert.is_again for alert in self.alerts)


class AlertBatch:
    """Made for one lease."""

    def __init__(self, channel: LeasedChannel, brief_ms: int) -> None:
        self._channel = channel
        self._brief_ms = brief_ms
        self._refs: dict[tuple[str, int], str] = {}
        self._told: set[tuple[str, int]] = set()
        self._begun: set[int] = set()
        self.sent: list[SentAlert] = []
        self._refused: list[RefusedAlert] = []
        self._dropped: list[int] = []

    def to_tell(self) -> Iterator[OutgoingNotice]:
        """Yield what is to be told, in order: each with what those before it made known. What need not be told is dropped."""
        digest = tuple(one for one in self._channel.alerts if one.is_digest)
        for alert in self._channel.alerts:
            if alert.is_digest:
                continue
            if self._is_worth_telling(alert):
                yield OutgoingNotice((alert,), self._refs.get(_opening_of(alert), alert.ref))
            else:
                self._dropped.append(alert.seq)
        worth = tuple(one for one in digest if self._is_worth_telling(one))
        self._dropped += sorted({one.seq for one in digest} - {one.seq for one in worth})
        if worth:
            yield OutgoingNotice(worth)

    def begin(self, told: OutgoingNotice) -> None:
        """From here on it may have been shown."""
        self._begun |= {alert.seq for alert in told.alerts}

    def take_back(self, told: OutgoingNotice) -> None:
        """It was certainly not shown this time."""
        self._begun -= {alert.seq for alert in told.alerts}

    def accept(self, told: OutgoingNotice, ref: str | None) -> None:
        """The channel took it."""
        for alert in told.alerts:
            is_single = len(told.alerts) == 1 and not alert.is_digest
            self.sent.append(SentAlert(alert.seq, ref if is_single else None))
            self._told.add(_opening_of(alert))
            if ref is not None and is_single:
                self._refs[_opening_of(alert)] = ref

    def refuse(self, told: OutgoingNotice, why: str) -> None:
        """The channel will never take it."""
        self._refused += [RefusedAlert(alert.seq, why) for alert in told.alerts]

    def settled(self, lease: str, away: ChannelFault | None, retry_after_ms: int) -> SettleAlerts:
        """Return what became of all."""
        ended = {one.seq for one in self.sent} | {one.seq for one in self._refused} | set(self._dropped)
        left = (one for one in self._channel.alerts if one.seq not in ended | self._begun)
        return SettleAlerts(
            lease=lease,
            channel=self._channel.name,
            sent=tuple(self.sent),
            refused=tuple(self._refused),
            dropped=tuple(self._dropped),
            untried=tuple(one.seq for one in left if not one.is_again),
            away=None if away is None else away.text,
            retry_after_ms=retry_after_ms,
        )

    def _is_worth_telling(self, alert: DueAlert) -> bool:
        if alert.incident is None:
            return True
        is_told = alert.is_told or alert.is_again or _opening_of(alert) in self._told
        return should_send_alert(
            alert.about,
            alert.opened,
            alert.incident,
            is_told=is_told,
            brief_ms=self._brief_ms,
            since_at=alert.since_at,
        )


def _opening_of(alert: DueAlert) -> tuple[str, int]:
    return alert.id if alert.incident is None else alert.incident.id, alert.opened
