"""The inbox: messages to one run, published events, and what runs wait for."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind


class DeliverFact(msgspec.Struct, frozen=True):
    """Put a fact into one run's inbox and wake it. Answer: Done, Refused not_found | finished | no_such_question | question_over.

    The same `source` counts once per run and kind. An ANSWER must name the ident of an open question (or the only one: ident None); at and
    after the instant `until_at` of its wait it is refused.
    """

    run: str
    kind: FactKind
    name: str
    source: str
    ident: str | None = None
    payload: bytes | None = None
    failure: Failure | None = None


class PublishEvent(msgspec.Struct, frozen=True):
    """Store an event and deliver it to the runs that wait for it. Answer: Numbered(number of runs woken by this event), Refused unreadable.

    `data` is JSON, or JSON sealed by a codec that the store was opened with. The same (name, key) again stores nothing. `checked` = refuse
    an event that runs wait for and none of them can read; its sender has to be there to hear it.
    """

    id: str
    name: str
    data: bytes
    keep_until: int
    key: str | None = None
    checked: bool = False


class OpenWait(msgspec.Struct, frozen=True):
    """State what a run waits for. kind: event or ask. Answer: Done, Refused claim_lost.

    For events: `where` maps dotted paths to JSON values; only events at or after `since_at` count, each once per run. `schema` = the JSON
    schema that its code states for the data.
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
    schema: str | None = None


class CloseWait(msgspec.Struct, frozen=True):
    """The body gave this wait up. A fact already delivered for it is dropped. Answer: Done, Refused claim_lost."""

    run: str
    claim: int
    ident: str


class ExpireWait(msgspec.Struct, frozen=True):
    """The time of this wait ended. Answer: Arrived (the run's inbox), Refused claim_lost.

    What came for it still counts, for it came in time: the store gives no late answer or event. If nothing came, the wait is closed: an
    answer is refused from then on, an event is kept for the next wait.
    """

    run: str
    claim: int
    ident: str


class RejectFact(msgspec.Struct, frozen=True):
    """The run's code cannot read this fact of its inbox: keep it for a person, let the run wait on. Answer: Done, Refused claim_lost.

    `event` = the name of the event that it is; None = it is a signal.
    """

    run: str
    claim: int
    seq: int
    failure: Failure
    event: str | None = None


class ReturnFact(msgspec.Struct, frozen=True):
    """The body had given up the wait when this signal or event was taken in: put it back. Answer: Done, Refused claim_lost.

    The outcome of this rank then counts as cancelled. `event` = the id of the event; None = a signal, with its name and payload, which gets
    back its place `seq` in the inbox.
    """

    run: str
    claim: int
    rank: int
    name: str
    payload: bytes | None
    at: int
    seq: int = 0
    event: str | None = None


class DropRejectedFacts(msgspec.Struct, frozen=True):
    """A person gives up what a run's code could not read. Answer: Numbered(how many), Refused not_found | nothing_rejected."""

    run: str
