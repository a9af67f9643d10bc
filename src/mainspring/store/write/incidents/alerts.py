"""Alerts: a channel is one Notifier's at a time. What a channel took is marked in the commit that gives the channel back."""

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
"""So many alerts are one digest."""


def lease_channels(tx: Transaction, command: LeaseChannels) -> LeasedChannels:
    """Take the channels that have something due and that nobody has."""
    c = command
    tx.hold("channels")
    taken = tx.all("list_leased_channels", (c.lease,)) if tx.again else []
    is_again = bool(taken)
    if not taken:
        taken = tx.all(
            "list_due_channels",
            (tx.now, json.dumps(c.channels), tx.now + MAX_CLOCK_LEAD_MS, tx.now + MAX_CHANNEL_BACKOFF_MS),
        )
        for channel, _ in taken:
            tx.change("lease_channel", (channel, c.lease, tx.session, tx.now + c.lease_ms))
    return LeasedChannels(
        tuple(LeasedChannel(name, failures, _take(tx, name, c, is_again=is_again)) for name, failures in taken)
    )


def _take(tx: Transaction, channel: str, command: LeaseChannels, *, is_again: bool) -> tuple[DueAlert, ...]:
    """Return what is due on a channel, and mark it as tried; the answer that was lost said that it was not."""
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
            is_told=bool(is_told),
            is_again=bool(tried) and not is_again,
            since_at=since_at,
        )
        for seq, key, about, opened, made_at, tried, ref, is_told, since_at, *incident in rows
    )
    tx.change("mark_alerts_tried", (1, json.dumps([one.seq for one in due])))
    return due


def settle_alerts(tx: Transaction, command: SettleAlerts) -> CommandDone:
    """Mark what was told, what never will be, and give the channel back."""
    c = command
    for told in c.sent:
        tx.change("end_alert", (AlertState.SENT.value, tx.now, None, told.seq, c.channel))
        if told.ref is not None:
            tx.change("save_channel_ref", (told.ref, told.seq))
    for refused in c.refused:
        tx.change("end_alert", (AlertState.REFUSED.value, tx.now, refused.fault, refused.seq, c.channel))
    for seq in c.dropped:
        tx.change("end_alert", (AlertState.DROPPED.value, tx.now, None, seq, c.channel))
    if c.untried:
        tx.change("mark_alerts_tried", (0, json.dumps(c.untried)))
    told_at = tx.now if c.sent else None
    if c.away is None and c.refused and not c.sent:
        # It answers, and takes nothing: whoever is to hear of what it should have told has to know.
        tx.change("postpone_channel", (tx.now, 0, tx.now, c.refused[-1].fault, None, c.channel, c.lease))
    elif c.away is None:
        tx.change("release_channel", (told_at, c.channel, c.lease))
    else:
        values = (
            tx.now + min(c.retry_after_ms, MAX_CHANNEL_BACKOFF_MS),
            int(bool(c.sent)),
            tx.now,
            c.away,
            told_at,
            c.channel,
            c.lease,
        )
        tx.change("postpone_channel", values)
    return DONE
