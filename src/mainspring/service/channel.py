"""Record of the last test of a channel and its outcome. Sending the test notice is not part of it."""

import msgspec

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.store.base import Store
from mainspring.store.commands.automations import SetMeta

_KEY = "channel-tried:"


class ChannelTest(msgspec.Struct, frozen=True):
    """The last test of a channel; `fault` None = it accepted the notice."""

    at: int
    fault: str | None


def was_tested(reads: ServiceReads, channel: str, *, act: OperationContext) -> bool:
    """Whether this operation was done before, so that one press of a button sends one notice."""
    return was_performed(reads, act, "test", f"channel:{channel}")


def record_test(store: Store, channel: str, test: ChannelTest, *, act: OperationContext) -> None:
    """Record the outcome of a test."""
    setting = SetMeta(_KEY + channel, msgspec.json.encode(test).decode())
    perform(store, act, "test", f"channel:{channel}", setting, {"fault": test.fault})


def read_last_test(reads: ServiceReads, channel: str) -> ChannelTest | None:
    """Return the last recorded test of a channel."""
    found = reads.meta(_KEY + channel)
    return None if found is None else msgspec.json.decode(found, type=ChannelTest)
