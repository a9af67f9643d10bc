"""Handlers of the commands in `store/commands/triggers.py`."""

from typing import Final

from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    DismissDelivery,
    JoinRun,
    RecordFilterCall,
    RejectDelivery,
    ReleaseHeldDeliveries,
    ReleaseSourceKey,
    ReplayDelivery,
    ReportConsumer,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import held_store
from mainspring.store.write.triggers import deliveries, held_deliveries, rejected_deliveries

HANDLERS: Final[HandlerTable] = dict(
    (
        AcceptDelivery.answered_by(deliveries.accept_delivery),
        RejectDelivery.answered_by(rejected_deliveries.reject_delivery),
        DecideDelivery.answered_by(deliveries.record_decision),
        RecordFilterCall.answered_by(deliveries.record_filter_call),
        ReleaseHeldDeliveries.answered_by(held_deliveries.release_held_deliveries),
        JoinRun.answered_by(held_deliveries.join_run),
        ReplayDelivery.answered_by(deliveries.replay_delivery),
        DismissDelivery.answered_by(held_store.dismiss_delivery),
        ReleaseSourceKey.answered_by(deliveries.release_source_key),
        ReportConsumer.answered_by(deliveries.report_consumer),
    )
)
