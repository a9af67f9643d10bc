"""The batch of alerts that one lease of a channel delivers: what still needs sending, what goes out together, and each outcome."""

from collections.abc import Iterator

import msgspec

from mainspring.domain.notifications.alert_filter import should_send_alert
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.store.commands.alerts import DueAlert, LeasedChannel, RefusedAlert, SentAlert, SettleAlerts


class OutgoingNotice(msgspec.Struct, frozen=True):
    """One notice to send: one alert, or all alerts of a digest."""

    alerts: tuple[DueAlert, ...]
    ref: str | None = None

    @property
    def is_again(self) -> bool:
        """Whether an earlier attempt may have shown it."""
        return any(alert.is_again for alert in self.alerts)


class AlertBatch:
    """The alerts of one lease."""

    def __init__(self, channel: LeasedChannel, brief_ms: int) -> None:
        self._channel = channel
        self._brief_ms = brief_ms
        self._refs: dict[tuple[str, int], str] = {}
        self._notified: set[tuple[str, int]] = set()
        self._started: set[int] = set()
        self.sent: list[SentAlert] = []
        self._refused: list[RefusedAlert] = []
        self._dropped: list[int] = []

    def pending(self) -> Iterator[OutgoingNotice]:
        """Yield the notices to send, in order, each with the reference that earlier ones returned. Drop alerts that need no notice."""
        digest = tuple(alert for alert in self._channel.alerts if alert.is_digest)
        for alert in self._channel.alerts:
            if alert.is_digest:
                continue
            if self._should_send(alert):
                yield OutgoingNotice((alert,), self._refs.get(_opening_key(alert), alert.ref))
            else:
                self._dropped.append(alert.seq)
        to_send = tuple(alert for alert in digest if self._should_send(alert))
        self._dropped += sorted({alert.seq for alert in digest} - {alert.seq for alert in to_send})
        if to_send:
            yield OutgoingNotice(to_send)

    def mark_started(self, notice: OutgoingNotice) -> None:
        """Record that the channel may show this notice from now on."""
        self._started |= {alert.seq for alert in notice.alerts}

    def unmark_started(self, notice: OutgoingNotice) -> None:
        """Record that this attempt certainly did not show the notice."""
        self._started -= {alert.seq for alert in notice.alerts}

    def record_sent(self, notice: OutgoingNotice, ref: str | None) -> None:
        """Record that the channel accepted the notice."""
        for alert in notice.alerts:
            is_single = len(notice.alerts) == 1 and not alert.is_digest
            self.sent.append(SentAlert(alert.seq, ref if is_single else None))
            self._notified.add(_opening_key(alert))
            if ref is not None and is_single:
                self._refs[_opening_key(alert)] = ref

    def record_refused(self, notice: OutgoingNotice, reason: str) -> None:
        """Record that the channel will never accept the notice."""
        self._refused += [RefusedAlert(alert.seq, reason) for alert in notice.alerts]

    def build_settlement(self, lease: str, away: ChannelFault | None, retry_after_ms: int) -> SettleAlerts:
        """Return the outcome of all alerts."""
        finished_seqs = {alert.seq for alert in self.sent} | {alert.seq for alert in self._refused} | set(self._dropped)
        remaining = (alert for alert in self._channel.alerts if alert.seq not in finished_seqs | self._started)
        return SettleAlerts(
            lease=lease,
            channel=self._channel.name,
            sent=tuple(self.sent),
            refused=tuple(self._refused),
            dropped=tuple(self._dropped),
            untried=tuple(alert.seq for alert in remaining if not alert.is_again),
            away=None if away is None else away.text,
            retry_after_ms=retry_after_ms,
        )

    def _should_send(self, alert: DueAlert) -> bool:
        if alert.incident is None:
            return True
        is_notified = alert.is_notified or alert.is_again or _opening_key(alert) in self._notified
        return should_send_alert(
            alert.about,
            alert.opened,
            alert.incident,
            is_notified=is_notified,
            brief_ms=self._brief_ms,
            since_at=alert.since_at,
        )


def _opening_key(alert: DueAlert) -> tuple[str, int]:
    return alert.id if alert.incident is None else alert.incident.id, alert.opened
