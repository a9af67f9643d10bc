"""Alerts: one Notifier at a time leases a channel. Sent alerts are marked in the commit that ends the lease."""

import json

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.failures.backoff import MAX_CHANNEL_BACKOFF_MS
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.states import AlertState
from mainspring.store.commands.alerts import DueAlert, LeaseChannels, LeasedChannel, LeasedChannels, SettleAlerts
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.read.incidents import incident_of
from mainspring.store.transaction import Transaction

_DIGESTED_AT_MOST = 1_000
"""Maximum of alerts in one digest."""


def lease_channels(tx: Transaction, command: LeaseChannels) -> LeasedChannels:
    """Lease the channels that have due alerts and no lease."""
    c = command
    tx.hold("channels")
    leased_channels = tx.all("list_leased_channels", (c.lease,)) if tx.again else []
    is_again = bool(leased_channels)
    if not leased_channels:
        leased_channels = tx.all(
            "list_due_channels",
            (tx.now, json.dumps(c.channels), tx.now + MAX_CLOCK_LEAD_MS, tx.now + MAX_CHANNEL_BACKOFF_MS),
        )
        for channel, _ in leased_channels:
            tx.change("lease_channel", (channel, c.lease, tx.session, tx.now + c.lease_ms))
    return LeasedChannels(
        tuple(
            LeasedChannel(name, failures, _lease_alerts(tx, name, c, is_again=is_again))
            for name, failures in leased_channels
        )
    )


def _lease_alerts(tx: Transaction, channel: str, command: LeaseChannels, *, is_again: bool) -> tuple[DueAlert, ...]:
    """Return the due alerts of a channel, and mark them as tried; a repeated lease returns the marks of the lost
    answer.
    """
    bounds = (command.most, tx.now + MAX_CLOCK_LEAD_MS, Severity.DIGEST.value, command.most + _DIGESTED_AT_MOST)
    rows = tx.all("list_due_alerts", (channel, tx.now, *bounds))
    due = tuple(
        DueAlert(
            seq=seq,
            id=key,
            about=NotificationEvent(about),
            opened=opened,
            at=made_at,
            incident=None if incident[0] is None else incident_of(tuple(incident)),
            ref=ref,
            is_notified=bool(is_notified),
            is_again=bool(tried) and not is_again,
            since_at=since_at,
        )
        for seq, key, about, opened, made_at, tried, ref, is_notified, since_at, *incident in rows
    )
    tx.change("mark_alerts_tried", (1, json.dumps([alert.seq for alert in due])))
    return due


def settle_alerts(tx: Transaction, command: SettleAlerts) -> CommandDone:
    """Mark sent and refused alerts, and end the lease of the channel."""
    c = command
    for sent in c.sent:
        tx.change("end_alert", (AlertState.SENT.value, tx.now, None, sent.seq, c.channel))
        if sent.ref is not None:
            tx.change("save_channel_ref", (sent.ref, sent.seq))
    for refused in c.refused:
        tx.change("end_alert", (AlertState.REFUSED.value, tx.now, refused.fault, refused.seq, c.channel))
    for seq in c.dropped:
        tx.change("end_alert", (AlertState.DROPPED.value, tx.now, None, seq, c.channel))
    if c.untried:
        tx.change("mark_alerts_tried", (0, json.dumps(c.untried)))
    sent_at = tx.now if c.sent else None
    if c.away is None and c.refused and not c.sent:
        # It answers, and accepts nothing: people who rely on this channel have to be notified.
        tx.change("postpone_channel", (tx.now, 0, tx.now, c.refused[-1].fault, None, c.channel, c.lease))
    elif c.away is None:
        tx.change("release_channel", (sent_at, c.channel, c.lease))
    else:
        values = (
            tx.now + min(c.retry_after_ms, MAX_CHANNEL_BACKOFF_MS),
            int(bool(c.sent)),
            tx.now,
            c.away,
            sent_at,
            c.channel,
            c.lease,
        )
        tx.change("postpone_channel", values)
    return DONE
