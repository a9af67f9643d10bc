"""Handlers of the commands in `store/commands/inbox.py`."""

from typing import Final

from mainspring.store.commands.inbox import (
    CloseWait,
    DeliverFact,
    DropRejectedFacts,
    ExpireWait,
    OpenWait,
    PublishEvent,
    RejectFact,
    ReturnFact,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import events, inbox, rejected_facts

HANDLERS: Final[HandlerTable] = dict(
    (
        DeliverFact.answered_by(inbox.deliver_fact),
        PublishEvent.answered_by(events.publish_event),
        OpenWait.answered_by(events.open_wait),
        CloseWait.answered_by(events.close_wait),
        ExpireWait.answered_by(events.expire_wait),
        RejectFact.answered_by(rejected_facts.reject_fact),
        ReturnFact.answered_by(events.return_fact),
        DropRejectedFacts.answered_by(rejected_facts.drop_rejected_facts),
    )
)
