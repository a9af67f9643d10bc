"""The Sender of one process, made of the project's parts."""

import asyncio
from collections.abc import Mapping

from mainspring.domain.clock import Clock
from mainspring.domain.sealing import Sealing
from mainspring.resources.secret import Secrets
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.broker_links import BrokerLinks
from mainspring.triggers.fault_text import FaultText
from mainspring.triggers.sender import Sender


def make_sender(
    loop: asyncio.AbstractEventLoop,
    store: ProcessStore,
    clock: Clock,
    sealing: Sealing,
    brokers: Mapping[str, str],
    secrets: Secrets,
) -> Sender:
    """Return what sends the messages of the outbox, not yet begun. `brokers` = addresses by name."""
    faults = FaultText(secrets)
    return Sender(loop, store, store.reader, clock, sealing, BrokerLinks(brokers, faults.get), faults)
