"""Alerts: a channel is one Notifier's at a time. What a channel took is marked in the commit that gives the channel back."""

import json

from mainspring.domain.states import AlertState
from mainspring.store.commands.alerts import DueAlert, SettleAlerts, TakeAlerts, Taken, TakenChannel
from mainspring.store.commands.results import DONE, Done
from mainspring.store.transaction import Transaction


def take_alerts(tx: Transaction, command: TakeAlerts) -> Taken:
    """Take the channels that have something due and that nobody has."""
    c = command
    tx.hold("channels")
    taken = tx.all("list_leased_channels", (c.lease,)) if tx.again else []
    if not taken:
        taken = tx.all("list_due_channels", (tx.now, json.dumps(c.channels)))
        for channel, _ in taken:
            tx.change("lease_channel", (channel, c.lease, tx.session, tx.now + c.lease_ms))
    return Taken(tuple(TakenChannel(name, failures, _due(tx, name, c.most)) for name, failures in taken))


def _due(tx: Transaction, channel: str, most: int) -> tuple[DueAlert, ...]:
    return tuple(DueAlert(*row) for row in tx.all("list_due_alerts", (channel, tx.now, most)))


def settle_alerts(tx: Transaction, command: SettleAlerts) -> Done:
    """Mark what was told, what never will be, and give the channel back."""
    c = command
    for told in c.told:
        tx.change("end_alert", (AlertState.SENT.value, tx.now, None, told.seq, c.channel))
        if told.ref is not None:
            tx.change("keep_channel_ref", (told.ref, told.seq))
    for refused in c.refused:
        tx.change("end_alert", (AlertState.REFUSED.value, tx.now, refused.fault, refused.seq, c.channel))
    for seq in c.dropped:
        tx.change("end_alert", (AlertState.DROPPED.value, tx.now, None, seq, c.channel))
    told_at = tx.now if c.told else None
    if c.away is None:
        tx.change("free_channel", (told_at, c.channel, c.lease))
    else:
        values = (tx.now + c.retry_after_ms, int(bool(c.told)), tx.now, c.away, told_at, c.channel, c.lease)
        tx.change("put_off_channel", values)
    return DONE
