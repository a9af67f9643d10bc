"""The inbox: messages to one run, published events, and the waits of runs."""

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import NO_PLAN, FactKind, QuestionPlan
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, InboxFacts, NumberAnswer, Refused


class DeliverFact(StoreCommand[CommandDone | Refused], frozen=True):
    """Deliver a fact to one run's inbox and wake the run. Answer: CommandDone, Refused not_found | finished |
    no_such_question | question_over.

    `key` = (automation, run key) of the run, instead of its id. The same `source` counts once per run and kind. An ANSWER
    must name the ident of an open question (or the only one: ident None); at and after the instant `until_at` of its wait
    it is refused. It replaces the answers to this question that the code of the run could not read.
    """

    run: str
    kind: FactKind
    name: str
    source: str
    ident: str | None = None
    payload: bytes | None = None
    failure: Failure | None = None
    key: tuple[str, str] | None = None


class PublishEvent(StoreCommand[NumberAnswer | Refused], frozen=True):
    """Store an event and deliver it to the waiting runs. Answer: NumberAnswer(number of runs woken by this event),
    Refused unreadable.

    `data` is JSON, or JSON sealed by a codec with which the store was opened. The same (name, key) again stores
    nothing. `headers` = sealed, for the runs that it starts.

    `checked` = refuse an event that runs wait for and none of them can read; its sender must be present to get
    the answer.
    """

    id: str
    name: str
    data: bytes
    keep_until: int
    key: str | None = None
    checked: bool = False
    headers: bytes | None = None


class OpenWait(StoreCommand[CommandDone | Refused], frozen=True):
    """Record a wait of a run. kind: event or ask. Answer: CommandDone, Refused claim_lost.

    For events: `where` maps dotted paths to JSON values; only events at or after `since_at` count, each once per run.
    `schema` = the JSON schema of the data in the run's code. `plan` = who is to answer a question, and when they are reminded.
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
    request_number: int = 0
    schema: str | None = None
    plan: QuestionPlan = NO_PLAN


class CloseWait(StoreCommand[CommandDone | Refused], frozen=True):
    """Close a wait that the body abandoned. A fact already delivered for it is dropped. Answer: CommandDone, Refused
    claim_lost.
    """

    run: str
    claim: int
    ident: str


class ExpireWait(StoreCommand[InboxFacts | Refused], frozen=True):
    """Expire a wait whose time ended. Answer: InboxFacts (the run's inbox), Refused claim_lost.

    Facts that were delivered for it count, because they were in time: the store delivers no late answer or event.
    Without any the wait is closed: an answer is refused from then on, an event is kept for the next wait.
    """

    run: str
    claim: int
    ident: str


class RejectFact(StoreCommand[CommandDone | Refused], frozen=True):
    """Reject a fact of the inbox that the run's code cannot read: keep it for a person, and let the run continue to
    wait. Answer: CommandDone, Refused claim_lost.

    `event` = the name of the event; None = a signal or an answer.
    """

    run: str
    claim: int
    seq: int
    failure: Failure
    event: str | None = None


class ReturnFact(StoreCommand[CommandDone | Refused], frozen=True):
    """Return a signal or event to the inbox that was consumed after the body had abandoned the wait. Answer:
    CommandDone, Refused claim_lost.

    The outcome of this rank then counts as cancelled. `event` = the id of the event; None = a signal, with its name and
    payload, or an update (`kind`). These get back their place `seq` in the inbox.
    """

    run: str
    claim: int
    rank: int
    name: str
    payload: bytes | None
    at: int
    seq: int = 0
    event: str | None = None
    kind: FactKind = FactKind.SIGNAL


class DropRejectedFacts(StoreCommand[NumberAnswer | Refused], frozen=True):
    """Drop the rejected facts of a run, for a person. Answer: NumberAnswer(how many), Refused not_found |
    nothing_rejected.
    """

    run: str
