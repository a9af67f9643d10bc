"""Commands on a run as a whole: start, claim, suspend, finish, continue."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.processes.worker_loss import WorkerLoss
from mainspring.domain.runs.journal import Fact, OutcomeKind
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.journal import SaveOutcome


class RunKey(msgspec.Struct, frozen=True):
    """Start twice with one key = one run. `on_failed`: "reuse" answers with the failed run, "restart" makes a new one.

    "replace" gives the key to the new run whatever stands there (run.restart: the next run of an endless one has another input).
    """

    key: str
    input_hash: str
    on_failed: str = "reuse"
    expires_at: int | None = None


class ParentLink(msgspec.Struct, frozen=True):
    """The run that asked for this child, and what its end does to it: close_policy "cancel" or "keep".

    A request has one child: while it counts, whoever asks again under this `ident` finds it, whatever id it sends. `asked` is the
    request's place in the order of asking, by which a new generation knows whether it counts on.
    """

    run: str
    ident: str
    claim: int
    close_policy: str = "cancel"
    asked: int = 0


class SlotLink(msgspec.Struct, frozen=True):
    """The due time of a schedule that this run serves; `schedule` None = it follows a run that did, for the same slot."""

    schedule: str | None
    slot_at: int


class StartRun(msgspec.Struct, frozen=True):
    """Stage a run. Answer: Started, or Refused busy | key_conflict | claim_lost | retired | held.

    `id` is the identity of the command as well: the same id again finds the run. `here` = the session that sends it owns and runs it
    (exec). `awaited` = the caller waits for its result: while nothing starts it is refused, unless its key
    leads to a run that has ended. `due_at` None = now.
    """

    id: str
    automation: str
    kind: str
    version: int
    input: bytes
    codec: str
    trigger: str
    queue: str = "default"
    priority: int = 0
    tag: str | None = None
    partition: str | None = None
    due_at: int | None = None
    deadline_at: int | None = None
    deadline_after_ms: int | None = None
    title: str | None = None
    tags: bytes | None = None
    run_key: RunKey | None = None
    parent: ParentLink | None = None
    slot: SlotLink | None = None
    here: bool = False
    awaited: bool = False
    healthy: HealthRule = HealthRule.ITEM
    item: str | None = None
    """What the run is about; None = itself, "" = its automation as a whole."""


class ClaimRuns(msgspec.Struct, frozen=True):
    """Take up to `limit` ready runs for the sending session. Answer: Claimed.

    It can run what the session announced (see Announce); `tags` is what this worker carries; `suspects` = take runs on probation only;
    `under` = take this run and what it asked for, and no other; `insists` = limited queues in which older runs that only other workers can
    take get no precedence this time.
    """

    id: str
    limit: int
    tags: tuple[str, ...] = ()
    queues: tuple[str, ...] | None = None
    suspects: bool = False
    under: str | None = None
    insists: tuple[str, ...] = ()


class ClaimedRun(msgspec.Struct, frozen=True):
    """A run that this session owns now."""

    id: str
    automation: str
    kind: str
    version: int
    claim: int
    fresh: bool
    rank: int
    generation: int
    started_at: int
    created_at: int
    deadline_at: int | None
    codec: str
    input: bytes
    queue: str
    priority: int
    tag: str | None
    run_key: str | None
    parent: str | None
    parent_ident: str | None
    schedule: str | None
    slot_at: int | None
    crashes: int
    title: str | None
    undoing: bool = False
    """True = only what it did is to be taken back; then it is cancelled."""
    hash_seed: str | None = None
    """The fingerprint of the hash seed of the process in which it began; None = not known."""
    clock_steps: str | None = None
    """The steps of the clock that it lived through (`domain.clock_step.RunClockSteps`)."""
    facts: tuple[Fact, ...] = ()
    losses: tuple[WorkerLoss, ...] = ()
    """Deaths of workers after which this claim continues the run."""


class ClaimedRuns(msgspec.Struct, frozen=True, tag="claimed"):
    """The runs taken, in claim order, and when the next row becomes due by itself (None = nothing planned).

    `draining` = somebody ordered this session to take nothing new and to give back what it has. `is_limited` = some were ready in a queue
    that limits how many run at once: the end of a run may make room for one of them.
    `gave_way` = limited queues in which room was left to older runs that other workers can take now.
    """

    runs: tuple[ClaimedRun, ...]
    next_due_at: int | None
    more: bool = False
    draining: bool = False
    is_limited: bool = False
    gave_way: tuple[str, ...] = ()


class SuspendRun(msgspec.Struct, frozen=True):
    """Let a run go until `due_at` or a fact newer than `seen` (inbox seq). state: waiting or retrying. Answer: Done, Refused."""

    run: str
    claim: int
    state: RunState
    due_at: int | None
    seen: int
    rank: int
    waiting_for: bytes | None = None


class ReleaseRun(msgspec.Struct, frozen=True):
    """Give a run back unharmed (drain); it is ready again at once. Answer: Done, Refused."""

    run: str
    claim: int
    rank: int


class FinishRun(msgspec.Struct, frozen=True):
    """End a run. state: succeeded, failed or cancelled. Wakes the parent, frees key holds, closes children. Answer: Done, Refused."""

    run: str
    claim: int
    state: RunState
    rank: int
    result: bytes | None = None
    failure: Failure | None = None
    reason: FailureReason | None = None
    failed_ident: str | None = None
    detail: bytes | None = None
    then: StartRun | None = None
    """The run that continues this one with a new input, in the same commit; it takes over the parent and the key."""
    output_size: int | None = None
    """Bytes of what a success put out (domain.runs.output_size); None = unknown."""
    unheard: tuple[str, ...] = ()
    """Requests of children that failed and that nothing in the code awaited."""


class CompleteRun(msgspec.Struct, frozen=True):
    """Append the outcome of a run that is one step, at its first attempt, and end the run as succeeded with that value.

    The run has asked for nothing else: nothing of it is open. `name` and `ident` are the step's; `parent` = who asked for the run;
    `events` and `posts` = what the step sends; `output_size` = bytes of what it put out.
    Answer: Done, Refused.
    """

    run: str
    claim: int
    automation: str
    ident: str
    name: str
    started_at: int
    at: int
    took_us: int
    input: bytes | None
    output: bytes | None
    parent: str | None = None
    events: tuple[PublishEvent, ...] = ()
    posts: tuple[QueuedMessage, ...] = ()
    output_size: int | None = None

    def outcome(self) -> SaveOutcome:
        """Return what it appends: the first outcome, of the first attempt at what was asked for first."""
        what = (OutcomeKind.STEP, OutcomeState.SUCCEEDED)
        return SaveOutcome(
            self.run, self.claim, 1, self.ident, self.name, *what, 1, 1, 0, self.started_at, self.at, self.took_us, self.automation,
            self.input, self.output, events=self.events, posts=self.posts,
        )  # fmt: skip


class HaltRun(msgspec.Struct, frozen=True):
    """Ask for a person: the run needs attention. Answer: Done, Refused."""

    run: str
    claim: int
    reason: FailureReason
    rank: int
    failure: Failure | None = None
    failed_ident: str | None = None
    detail: bytes | None = None
    pass_partition: bool = False


class AnnotateRun(msgspec.Struct, frozen=True):
    """What a running body says about itself; each field None = unchanged. Answer: Done, Refused."""

    run: str
    claim: int
    tags: bytes | None = None
    progress: bytes | None = None
    published: bytes | None = None
    detail: bytes | None = None


class ReopenRun(msgspec.Struct, frozen=True):
    """Continue a failed or halted run.

    `from_ident` None = from where it failed: what `domain.runs.superseded_outcomes` names is superseded, every failure that led to the end
    (`detail` of Finish, JSON `{"failing": [idents]}`, else `failed_ident`) first of all; what succeeded stays, and so does the
    generation with its keys. An attempt in doubt stays on record: the step it belongs to is not repeated.
    `from_ident` set = a new generation from that request on.
    `accept` = idents whose drift is accepted: nothing is superseded, the saved input is replaced by the one in the run's `detail`,
    which is JSON `{"drift": {ident: base64 of the new input}}`. A deadline that passed and a cancel that was taken in no longer count.
    With `from_ident` the children and waits that were asked for from there on answer no request any more; such children are cancelled
    unless they are to be kept or have a key, by which the next request may find them.
    A drift by a step that the code cannot ask for any more (`detail` JSON `{"renamed": {"ident", "old", "new"}}`) is accepted in the same
    way: the step is gone. `rename` = (old, new): what is saved under the old name answers the new one from now on.
    If steps were taken back, it is a new generation from the first of them on, or from what is named above if that was asked for before.
    A run that stopped at an undo goes on with that: cancel and deadline count on.
    A step in doubt or whose value was refused is repeated by none but `from_ident` and GiveResult: it is refused as `unsettled`.
    Answer: Done, Refused not_found | wrong_state | no_such_step | unsettled.
    """

    run: str
    from_ident: str | None = None
    accept: tuple[str, ...] = ()
    rename: tuple[str, str] | None = None
    due_at: int | None = None


class CancelRun(msgspec.Struct, frozen=True):
    """Ask a run to stop: at once if nobody runs it, else by a fact in its inbox.

    A halted workflow whose effects are to be taken back becomes ready for that alone, and ends cancelled. `undo` None = as its `on_cancel`
    says; True also takes back what a failed run did; False ends a halted run, or one that waits to be taken back, as it stands.
    Answer: Done, Refused not_found | finished | wrong_state.
    """

    run: str
    command: str
    why: str | None = None
    undo: bool | None = None


class MarkRunDone(msgspec.Struct, frozen=True):
    """A person declares an unfinished, unowned run done. Answer: Done, Refused."""

    run: str
    result: bytes | None = None


class CancelChild(msgspec.Struct, frozen=True):
    """The body gave the child of this request up: ask it, or who goes on for it, to stop. Answer: Done, Refused claim_lost."""

    run: str
    claim: int
    ident: str


class DiscardRun(msgspec.Struct, frozen=True):
    """A person gives up a run that needs attention: it fails. One that failed stays so, and is settled. Answer: Done, Refused."""

    run: str
    by: str | None = None


class GiveResult(msgspec.Struct, frozen=True):
    """A person gives the result of a refused, in-doubt or failed request of an unowned run, which goes on with it.

    The request's outcome is superseded and a RESULT fact named after it lies in the inbox. `again` = run the step again instead (no
    fact, same key). `undone` = steps were taken back, so no other can stand by itself; an undo can.
    Answer: Done, Refused not_found | wrong_state | no_such_step | undone.
    """

    run: str
    ident: str
    command: str
    output: bytes | None = None
    failure: Failure | None = None
    again: bool = False
