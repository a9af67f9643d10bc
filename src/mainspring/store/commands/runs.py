"""Commands on whole runs: start, claim, suspend, finish, continue."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.processes.worker_loss import WorkerLoss
from mainspring.domain.runs.journal import Fact, OutcomeKind
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer


class RunKey(msgspec.Struct, frozen=True):
    """The key of a run. `policy` decides what a start does if the key has a run (`domain.definitions.start_options.KEY_POLICIES`).

    The policy "continue" is that of a run that continues another one with another input (`run.restart`): it takes over the key.
    """

    key: str
    input_hash: str
    policy: str = "reuse"
    expires_at: int | None = None
    joins_any: bool = False
    """Whether a start with another input joins the live run."""


class StartRequest(msgspec.Struct, frozen=True):
    """The id that a caller gave its start: sent again, also later, it gets the same run. It counts for 24 hours."""

    id: str
    input_hash: str


class ParentLink(msgspec.Struct, frozen=True):
    """The run that requested this child, and the effect of its end on the child: close_policy "cancel" or "keep".

    A request has one child: while it counts, each repeated request under this `ident` finds it, whatever id it sends.
    `request_number` is the position of the request, by which a new generation knows whether the request still counts.
    """

    run: str
    ident: str
    claim: int
    close_policy: str = "cancel"
    request_number: int = 0


class StarterLink(msgspec.Struct, frozen=True):
    """The run whose code starts another run, and its claim. The new run is no child: it has its own life."""

    run: str
    claim: int


class SlotLink(msgspec.Struct, frozen=True):
    """The due time of a schedule that this run serves; `schedule` None = it follows a run that did, for the same slot."""

    schedule: str | None
    slot_at: int


class StartLimits(msgspec.Struct, frozen=True):
    """The limits of starts of one key. `rate` = (count, per ms): more runs are due later. `throttle` = the same for direct starts: more
    are refused. `debounce_ms` = a direct start is due so long after the newest one, which replaces its input, but at the latest
    `within_ms` after the first.
    """

    key: str
    rate: tuple[int, int] | None = None
    throttle: tuple[int, int] | None = None
    debounce_ms: int | None = None
    within_ms: int | None = None


class StartRun(StoreCommand[StartAnswer | Refused], frozen=True):
    """Create a run. Answer: StartAnswer, or Refused busy | throttled | key_conflict | claim_lost | retired | held | bad_options.

    `id` is the identity of the command as well: the same id again finds the run. `version` counts if the automation never
    had a rollout, and is no candidate (`is_candidate`); otherwise the store decides. `rollout_key` = the hash of the key
    that decides (`domain.rollouts.rollout`); None = the run key, else the id. `here` = the sending session owns and runs
    it (exec). `awaited` = the caller waits for its result: while nothing can start it is refused, unless its key
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
    concurrency_key: str | None = None
    """The key whose runs share slots; None = its automation has no limit, "" = one key for all of its runs."""
    cancels_other_runs: bool = False
    """Whether it cancels the unfinished runs of its concurrency key."""
    limits: StartLimits | None = None
    due_at: int | None = None
    deadline_at: int | None = None
    deadline_after_ms: int | None = None
    title: str | None = None
    tags: bytes | None = None
    headers: bytes | None = None
    """The headers of the run, sealed (`domain.runs.run_headers`); None = it has none."""
    run_key: RunKey | None = None
    request: StartRequest | None = None
    retry: str | None = None
    """The policy by which it continues after it failed (`Retry.to_data` as JSON)."""
    parent: ParentLink | None = None
    starter: StarterLink | None = None
    slot: SlotLink | None = None
    here: bool = False
    awaited: bool = False
    healthy: HealthRule = HealthRule.ITEM
    item: str | None = None
    """The item that the run processes; None = itself, "" = its automation as a whole."""
    rollout_key: str | None = None
    is_candidate: bool = False
    alternatives: tuple["StartAlternative", ...] = ()
    """The same start with the options of each version of its automation: those of the version in force count."""


class StartAlternative(msgspec.Struct, frozen=True):
    """A start with the options of one version; `start` None = they do not fit, because of `refusal`."""

    version: int
    start: StartRun | None
    refusal: str = ""


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
    """True = only undo its steps; then it is cancelled."""
    hash_seed: str | None = None
    """The fingerprint of the hash seed of the process that started it; None = unknown."""
    clock_steps: str | None = None
    """The clock steps during its life (`domain.time.clock_step.RunClockSteps`)."""
    fork: bytes | None = None
    """The origin of a fork as JSON (`domain.runs.fork_origin.ForkOrigin`)."""
    versions: bytes | None = None
    """The versions of changes as JSON (`domain.runs.change_versions.ChangeVersions`); None = none is known."""
    headers: bytes | None = None
    """Its headers, sealed (`domain.runs.run_headers`); None = it has none."""
    is_returned: bool = False
    """Whether the owner of the claim before gave the run back with nothing under way: by a suspend, a drain or a pause."""
    has_newer_code: bool = False
    """Whether a process of a later deployment than the owner's has worked on the run."""
    facts: tuple[Fact, ...] = ()
    losses: tuple[WorkerLoss, ...] = ()
    """Deaths of workers after which this claim continues the run."""


class ClaimedRuns(msgspec.Struct, frozen=True, tag="claimed"):
    """The claimed runs in claim order, and when the next row becomes due (None = nothing planned).

    `draining` = a person ordered this session to claim nothing new and to release its runs. `is_limited` = some runs
    were ready in a queue that limits how many run at once: the end of a run may free a slot for one of them. `yielded_queues`
    = limited queues in which slots were left to older runs that other workers can claim now.
    """

    runs: tuple[ClaimedRun, ...]
    next_due_at: int | None
    more: bool = False
    draining: bool = False
    is_limited: bool = False
    yielded_queues: tuple[str, ...] = ()


class CodeChanges(msgspec.Struct, frozen=True):
    """The versions of changes (`run.version`) in the code of one automation; `versions` = `ChangeVersions` as JSON."""

    automation: str
    version: int
    versions: bytes


class ClaimRuns(BookkeepingCommand[ClaimedRuns], frozen=True):
    """Claim up to `limit` ready runs for the sending session. Answer: ClaimedRuns.

    It can run what the session announced (see AnnounceDefinitions); `tags` = the tags of this worker; `probation` = only
    runs on probation; `under` = only this run and those that it requested; `insists` = limited queues in which older
    runs that only other workers can claim get no precedence this time; `changes` = saved with the runs that begin.
    """

    id: str
    limit: int
    tags: tuple[str, ...] = ()
    queues: tuple[str, ...] | None = None
    probation: bool = False
    under: str | None = None
    insists: tuple[str, ...] = ()
    changes: tuple[CodeChanges, ...] = ()


class SuspendRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Suspend a run until `due_at` or a fact newer than `seen` (inbox seq). state: waiting or retrying. Answer:
    CommandDone, Refused.
    """

    run: str
    claim: int
    state: RunState
    due_at: int | None
    seen: int
    rank: int
    waiting_for: bytes | None = None


class ReleaseRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Release a run unharmed (drain); it is ready again at once. `is_returned` = nothing is under way. Answer: CommandDone, Refused."""

    run: str
    claim: int
    rank: int
    is_returned: bool = True


class FinishRun(StoreCommand[CommandDone | Refused], frozen=True):
    """End a run. state: succeeded, failed or cancelled. Wakes the parent, releases partitions, closes children. A run that failed and
    has a retry policy continues later instead. Answer: CommandDone, Refused.
    """

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
    """Bytes of the output of a success (domain.runs.output_size); None = unknown."""
    unhandled: tuple[str, ...] = ()
    """Requests of failed children that the code never awaited."""
    is_final: bool = False
    """The author of the code says that trying again cannot help."""


class CompleteRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Append the outcome of a run that is one step, at its first attempt, and end the run as succeeded with that value.

    The run has requested nothing else, so nothing of it is open. `name` and `ident` are the step's; `parent` = the run
    that requested this one; `events` and `posts` = messages of the step; `numbers` = what it measured, as JSON; `output_size` =
    bytes of its output.

    Answer: CommandDone, Refused.
    """

    run: str
    claim: int
    automation: str
    ident: str
    name: str
    started_at: int
    at: int
    duration_us: int
    input: bytes | None
    output: bytes | None
    parent: str | None = None
    events: tuple[PublishEvent, ...] = ()
    posts: tuple[QueuedMessage, ...] = ()
    numbers: str | None = None
    output_size: int | None = None

    def outcome(self) -> SaveOutcome:
        """Return the outcome to append: the first one, of the first attempt of the first request."""
        kinds = (OutcomeKind.STEP, OutcomeState.SUCCEEDED)
        return SaveOutcome(
            self.run, self.claim, 1, self.ident, self.name, *kinds, 1, 1, 0, self.started_at, self.at, self.duration_us, self.automation,
            self.input, self.output, events=self.events, posts=self.posts, numbers=self.numbers,
        )  # fmt: skip


class HaltRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Stop a run for a person: it needs attention. Answer: CommandDone, Refused."""

    run: str
    claim: int
    reason: FailureReason
    rank: int
    failure: Failure | None = None
    failed_ident: str | None = None
    detail: bytes | None = None
    pass_partition: bool = False


class AnnotateRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Save the annotations of a running body; each field None = unchanged. Answer: CommandDone, Refused."""

    run: str
    claim: int
    tags: bytes | None = None
    progress: bytes | None = None
    published: bytes | None = None
    detail: bytes | None = None


class SaveChangeVersions(StoreCommand[CommandDone | Refused], frozen=True):
    """Save what is known of the versions of changes in a run. Answer: CommandDone, Refused.

    `versions` = `domain.runs.change_versions.ChangeVersions` as JSON.
    """

    run: str
    claim: int
    versions: bytes


class ReopenRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Continue a failed or halted run.

    `from_ident` None = from the failure: the outcomes of `domain.runs.superseded_outcomes` are superseded, first of all
    each failure that led to the end (`detail` of Finish, JSON `{"failing": [idents]}`, else `failed_ident`); successful
    outcomes stay, and so does the generation with its keys. An attempt in doubt stays on record: its step is not
    repeated. `from_ident` set = a new generation from that request on.

    `accept` = idents whose drift is accepted: nothing is superseded; the input in the run's `detail`, which is JSON
    `{"drift": {ident: base64 of the new input}}`, replaces the saved one. A passed deadline and a received cancel no
    longer count. With `from_ident` the children and waits that were requested from there on answer no request any more;
    such children are cancelled unless they are to be kept or have a key, by which the next request may find them.

    A drift by a step that the code cannot request any more (`detail` JSON `{"renamed": {"ident", "old", "new"}}`) is
    accepted in the same way: the step is removed. `rename` = (old, new): outcomes saved under the old name belong to
    the new one from now on.

    If steps were undone, this is a new generation from the first of them on, or from what is named above if that was
    requested earlier. A run that stopped at an undo continues with it: cancel and deadline still count.

    Only `from_ident` and GiveResult repeat a step in doubt, or one whose value was refused; otherwise it is refused as
    `unsettled`.

    Answer: CommandDone, Refused not_found | wrong_state | no_such_step | unsettled.
    """

    run: str
    from_ident: str | None = None
    accept: tuple[str, ...] = ()
    rename: tuple[str, str] | None = None
    due_at: int | None = None


class CancelRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Stop a run: at once if no process runs it, else by a fact in its inbox. The second one ends the cleanup of its code.

    A halted workflow whose effects are to be undone becomes ready for that alone, and ends cancelled. `undo` None = by
    its `on_cancel`; True also undoes the effects of a failed run; False ends a halted run, or one that waits for its
    rollback, without undoing.

    Answer: CommandDone, Refused not_found | finished | wrong_state.
    """

    run: str
    command: str
    why: str | None = None
    undo: bool | None = None


class MarkRunDone(StoreCommand[CommandDone | Refused], frozen=True):
    """Mark an unfinished run without an owner as done, for a person. Answer: CommandDone, Refused."""

    run: str
    result: bytes | None = None


class CancelChild(StoreCommand[CommandDone | Refused], frozen=True):
    """Cancel the child of a request that the body abandoned, or the run that continues that child. `undo` as in CancelRun.
    Answer: CommandDone, Refused claim_lost.
    """

    run: str
    claim: int
    ident: str
    undo: bool | None = None


class UndoChild(StoreCommand[StartAnswer | CommandDone | Refused], frozen=True):
    """Undo the child of a request whose run rolls back: one that has ended undoes its steps, one that works is cancelled
    and then undoes them. `generation` = that of the request's outcome.

    `waits_only` = something else undoes what it did: it only has to end.

    Answer: StartAnswer with the child to wait for, also if it has ended since; CommandDone if it has no undo; Refused
    claim_lost.
    """

    run: str
    claim: int
    ident: str
    generation: int
    waits_only: bool = False


class DiscardRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Discard a run that needs attention, for a person: it fails. A failed one stays failed, and is settled. Answer:
    CommandDone, Refused.
    """

    run: str
    by: str | None = None


class GiveResult(StoreCommand[CommandDone | Refused], frozen=True):
    """Give the result of a refused, in-doubt or failed request of a run without an owner, for a person; the run
    continues with it.

    The request's outcome is superseded, and a RESULT fact named after it is put into the inbox. `again` = run the step
    again instead (no fact, same key). `undone` = steps were undone, so no other result can be given; an undo's can.

    Answer: CommandDone, Refused not_found | wrong_state | no_such_step | undone | effect_in_doubt (`again`, and another
    holder has the effect).
    """

    run: str
    ident: str
    command: str
    output: bytes | None = None
    failure: Failure | None = None
    again: bool = False
