"""On record that somebody tried a channel, and what it answered. The telling itself is not a part of it: it goes out of the house."""

import msgspec

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.store.base import Store
from mainspring.store.commands.automations import SetMeta

_KEY = "channel-tried:"


class ChannelTest(msgspec.Struct, frozen=True):
    """The last try of a channel; `fault` None = it took what it was told."""

    at: int
    fault: str | None


def was_tested(reads: ServiceReads, channel: str, *, act: OperationContext) -> bool:
    """Tell whether this act was done before: a channel is told once of each press of a button."""
    return was_performed(reads, act, "test", f"channel:{channel}")


def record_test(store: Store, channel: str, trial: ChannelTest, *, act: OperationContext) -> None:
    """Put on record what a channel answered."""
    setting = SetMeta(_KEY + channel, msgspec.json.encode(trial).decode())
    perform(store, act, "test", f"channel:{channel}", setting, {"fault": trial.fault})


def read_last_test(reads: ServiceReads, channel: str) -> ChannelTest | None:
    """Return the last try of a channel that is on record."""
    found = reads.meta(_KEY + channel)
    return None if found is None else msgspec.json.decode(found, type=ChannelTest)
