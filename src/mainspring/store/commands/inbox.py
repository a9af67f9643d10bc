"""Facts from outside: messages to one run, published events, and what runs wait for."""

import msgspec

from mainspring.domain.failure import Failure
from mainspring.domain.journal import FactKind


class Deliver(msgspec.Struct, frozen=True):
    """Put a fact into one run's inbox and wake it. Answer: Done, Refused not_found | finished | no_such_question.

    The same `source` counts once per run and kind. An ANSWER must name the ident of an open question (or the only one: ident None).
    """

    run: str
    kind: FactKind
    name: str
    source: str
    ident: str | None = None
    payload: bytes | None = None
    failure: Failure | None = None


class Publish(msgspec.Struct, frozen=True):
    """Store an event and deliver it to the runs that wait for it. Answer: Numbered(number of runs woken by this event).

    `data` is JSON, or JSON sealed by a codec that the store was opened with. The same (name, key) again stores nothing.
    """

    id: str
    name: str
    data: bytes
    keep_until: int
    key: str | None = None


class OpenWait(msgspec.Struct, frozen=True):
    """State what a run waits for. kind: event or ask. Answer: Done, Refused claim_lost.

    For events: `where` maps dotted paths to JSON values; only events at or after `since_at` count, each once per run.
    """

    run: str
    claim: int
    ident: str
    kind: str
    name: str
    until_at: int | None = None
    since_at: int | None = None
    where: dict[str, object] | None = None
    question: bytes | None = None
    asked: int = 0


class CloseWait(msgspec.Struct, frozen=True):
    """The body gave this wait up. A fact already delivered for it is dropped. Answer: Done, Refused claim_lost."""

    run: str
    claim: int
    ident: str
