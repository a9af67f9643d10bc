"""What a store answers. Conflicts are results, not errors."""

import msgspec

from mainspring.domain.runs.journal import Fact
from mainspring.domain.states import DeliveryState


class CommandDone(msgspec.Struct, frozen=True, tag="done"):
    """It is so now (made by this command or by its first sending)."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Nothing was changed. `code` is stable; `text` says what is in the way; `retry_after_ms` where waiting helps."""

    code: str
    text: str = ""
    retry_after_ms: int | None = None


class StartAnswer(msgspec.Struct, frozen=True, tag="started"):
    """The run exists; `created` tells whether this command made it. `by_key` = its key found one that is not this request's child."""

    run: str
    created: bool
    state: str = "queued"
    by_key: bool = False


class InboxFacts(msgspec.Struct, frozen=True, tag="arrived"):
    """What lies in a run's inbox, in the order of arrival."""

    facts: tuple[Fact, ...]


class NumberAnswer(msgspec.Struct, frozen=True, tag="numbered"):
    """A number was given: session id, deployment, fencing token, rows touched."""

    number: int


class DeliveryStored(msgspec.Struct, frozen=True, tag="taken_in"):
    """The arrival is stored. `first` = by this command; else this is what became of the one that came before under its key."""

    delivery: str
    state: DeliveryState
    run: str | None
    first: bool
    note: str | None = None


DONE = CommandDone()
CLAIM_LOST = Refused("claim_lost", "another process owns this run now")

Result = CommandDone | Refused | StartAnswer | NumberAnswer | DeliveryStored
