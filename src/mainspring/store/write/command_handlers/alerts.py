"""Handlers of the commands in `store/commands/alerts.py`."""

from typing import Final

from mainspring.store.commands.alerts import LeaseChannels, SettleAlerts
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.incidents import alerts

HANDLERS: Final[HandlerTable] = dict(
    (
        LeaseChannels.answered_by(alerts.lease_channels),
        SettleAlerts.answered_by(alerts.settle_alerts),
    )
)
