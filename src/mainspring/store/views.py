"""Views that reads return: rows as frozen structs for people and pages. Instants are ms UTC; blobs are codec bytes or
JSON.
"""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.processes.child_queue import ChildQueue
from mainspring.domain.processes.stall import Stall
from mainspring.domain.processes.worker_loss import WorkerLoss
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, Fact, Outcome, QuestionPlan, RejectedFact
from mainspring.domain.states import RunState, UpdateState
from mainspring.store.session_views import WorkerView


class RunRow(msgspec.Struct, frozen=True):
    """A run in a list."""

    seq: int
    id: str
    automation: str
    kind: str
    title: str | None
    state: RunState
    reason: str | None
    queue: str
    due_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    steps: int
    progress: bytes | None
    trigger: str
    version: int


class RunView(msgspec.Struct, frozen=True):
    """One run with all its columns. `tag` '' = any worker; `failure` is decoded; `waiting_for`, `detail`, `tags` are JSON."""

    seq: int
    id: str
    automation: str
    kind: str
    version: int
    title: str | None
    state: RunState
    reason: str | None
    queue: str
    priority: int
    tag: str
    partition: str | None
    ready: bool
    probation: bool = msgspec.field(name="suspect")
    fresh: bool
    blocked: str | None
    place: int
    due_at: int | None
    deadline_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    changed_at: int
    session: int | None
    claim: int
    crashes: int
    deploy: int
    generation: int
    rank: int
    codec: str
    input: bytes
    result: bytes | None
    failure: Failure | None
    failed_ident: str | None
    waiting_for: bytes | None
    detail: bytes | None
    published: bytes | None
    progress: bytes | None
    tags: bytes | None
    run_key: str | None
    parent: str | None
    parent_ident: str | None
    schedule: str | None
    slot_at: int | None
    trigger: str
    steps: int
    output_size: int | None
    undoing: bool
    clock_steps: str | None = None
    """The clock steps during its life (`domain.clock_step.RunClockSteps`)."""
    fork: bytes | None = None
    """The origin of a fork as JSON (`domain.runs.fork_origin.ForkOrigin`)."""
    versions: bytes | None = None
    """The versions of changes as JSON (`domain.runs.change_versions.ChangeVersions`)."""
    concurrency_key: str | None = None
    """The key whose runs share slots; None = no limit, "" = one key for all runs of its automation."""
    headers: bytes | None = None
    """Its headers, sealed (`domain.runs.run_headers`)."""


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first; `cursor` continues the list (None = that was all) and new runs do not move it."""

    runs: list[RunRow]
    cursor: int | None


class WaitView(msgspec.Struct, frozen=True):
    """A wait of a run for something from outside. `escalate_ms` after its opening, `assignee` is no longer the one to answer a question."""

    run: str
    ident: str
    kind: str
    name: str
    until_at: int | None
    question: bytes | None
    filled: bool
    opened_at: int
    assignee: str | None = None
    remind_ms: int | None = None
    escalate_ms: int | None = None
    escalate_to: str | None = None

    def assignee_at(self, now: int) -> str | None:
        """Return who is to answer a question at an instant; None = anyone who may."""
        plan = QuestionPlan(self.assignee, self.remind_ms, self.escalate_ms, self.escalate_to)
        return plan.assignee_at(self.opened_at, now)


class RunPause(msgspec.Struct, frozen=True):
    """The pause of a run: since when, by whom and why. `due_at` = the instant before which a queued run is not claimed."""

    paused_at: int
    paused_by: str
    reason: str | None
    due_at: int | None
    holds_partition: bool = False


class UpdateView(msgspec.Struct, frozen=True):
    """An update of a run: a request with its reply.

    `run` = the run that has it. `result` or `failure` = the reply, once `replied_at` is set. `ident` = its request in the journal.
    `superseded` = the generation of the run that no longer counts the reply.
    """

    id: str
    run: str
    request_id: str
    name: str
    state: UpdateState
    requested_at: int
    replied_at: int | None
    ident: str | None
    result: bytes | None
    failure: Failure | None
    superseded: int | None


class QueryView(msgspec.Struct, frozen=True):
    """A query of a run: a question to its code. `result` or `failure` = the answer, once `answered_at` is set."""

    id: str
    run: str
    name: str
    until_at: int
    answered_at: int | None
    result: bytes | None
    failure: Failure | None


class OpenQuery(msgspec.Struct, frozen=True):
    """A query without an answer."""

    id: str
    run: str
    name: str
    input: bytes
    until_at: int


class BlockedCall(msgspec.Struct, frozen=True):
    """The last call of a step, which an effect in doubt of another holder blocks.

    `owner`, `automation` and `run` are those of the holder, `run_state` is that of its run. `window_ends_at` = the doubt ends then, by the
    windows of all calls; None = a person must decide.
    """

    ident: str
    key: str
    owner: str
    automation: str | None
    run: str | None
    run_state: RunState | None
    window_ends_at: int | None


class RunRetry(msgspec.Struct, frozen=True):
    """The retries of a run: its policy as JSON, how often it has continued by itself, and its last failure."""

    policy: str
    retries: int
    failure: Failure | None
    failed_at: int | None


class RunHistory(msgspec.Struct, frozen=True):
    """All that `runs show` displays, from one commit's view."""

    run: RunView
    outcomes: list[Outcome]
    attempts: list[AttemptRecord]
    checkpoints: dict[str, Checkpoint]
    facts: list[Fact]
    waits: list[WaitView]
    children: list[RunRow]
    stalls: list[Stall]
    rejected: list[RejectedFact]
    losses: list[WorkerLoss]
    """Deaths of workers that had the run, newest first."""
    blocked_calls: list[BlockedCall]
    """Steps that an effect in doubt of another holder blocks; empty before the run stopped."""
    numbers: dict[str, float] = {}
    """Measured numbers by name."""
    pause: RunPause | None = None
    """The pause of a paused run."""
    forks: list[RunRow] = []
    """Its newest forks."""
    started: list[RunRow] = []
    """The newest runs that its code started, in the order of their starts."""
    retry: RunRetry | None = None
    """Its own retries, if it was started with a policy."""
    updates: list[UpdateView] = []
    """Its newest updates, in the order of their arrival."""


EXPORT_FORMAT = 2
"""The newest form of an export. A change that an older program would misread gets the next number."""


class RunExport(RunHistory, frozen=True, kw_only=True):
    """All that is stored about a run, as `runs export` writes it.

    `renames` = decisions of a person on its steps: old name -> new name, None = it was removed. `definition` = that of its automation in
    the version of the run, as it was last announced; None = it is not stored. `unfinished_children` = requests of children that run.
    """

    format: int = EXPORT_FORMAT
    mainspring: str = ""
    """The version of Mainspring that wrote it."""
    renames: dict[str, str | None]
    unfinished_children: list[str] = []
    is_declared_done: bool = False
    """Whether a person declared the run done."""
    definition: bytes | None = None
    restart_input: bytes | None = None
    """The input with which it restarted (`run.restart`)."""


def find_continuation(run: RunView) -> str | None:
    """Return the run that continues a restarted run (`run.restart`)."""
    try:
        detail = msgspec.json.decode(run.detail or b"null")
    except msgspec.DecodeError:  # sealed
        return None
    continuation = detail.get("restarted_as") if isinstance(detail, dict) else None
    return continuation if isinstance(continuation, str) else None


def renamed_step_of(history: RunHistory) -> tuple[str, str] | None:
    """Return the old and the new name of the step for which a run stopped, if it stopped for a renamed one."""
    detail = msgspec.json.decode(history.run.detail) if history.run.detail else None
    renamed = detail.get("renamed") if isinstance(detail, dict) else None
    return (str(renamed["old"]), str(renamed["new"])) if isinstance(renamed, dict) else None


class StepView(msgspec.Struct, frozen=True):
    """One step of a run: its outcomes, newest first, and its attempts, oldest first, of every generation, with their values."""

    ident: str
    outcomes: list[Outcome]
    attempts: list[AttemptRecord]
    checkpoint: Checkpoint | None


class QueueView(msgspec.Struct, frozen=True):
    """A queue with its limits and load; `running` is counted up to 1,000. `rate_starts` = as domain.time.rate_window writes it."""

    name: str
    concurrency: int | None
    rate_count: int | None
    rate_per_ms: int | None
    rate_starts: str
    max_backlog: int | None
    backlog: int
    paused_at: int | None
    paused_by: str | None
    pause_reason: str | None
    running: int


class AutomationView(msgspec.Struct, frozen=True):
    """A definition with the operations on its automation."""

    name: str
    kind: str
    version: int
    definition: bytes
    fingerprint: str
    deploy: int
    paused_at: int | None
    paused_until: int | None
    paused_by: str | None
    pause_reason: str | None
    retired_at: int | None
    problem: str | None
    announced_at: int


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule with its last and next slots."""

    name: str
    automation: str
    spec: bytes
    low_water_at: int
    last_slot_at: int | None
    next_slot_at: int | None
    retired_at: int | None
    options: str | None = None
    """Of a created schedule its options as JSON; None = it is declared in code."""
    version: int = 1
    paused_at: int | None = None


class SchedulePlan(msgspec.Struct, frozen=True):
    """A schedule that has not ended, with all data to compute its slots and to create their runs. `input` is sealed."""

    name: str
    automation: str
    spec: bytes
    low_water_at: int
    spec_at: int | None
    next_slot_at: int | None
    input: bytes | None
    definition: bytes
    paused_at: int | None
    paused_until: int | None
    options: str | None = None


class SlotView(msgspec.Struct, frozen=True):
    """One due time that was served."""

    schedule: str
    slot_at: int
    verdict: str
    run: str | None
    note: str | None
    made_at: int
    number: int = 1
    """How many runs it was given: a person may repeat a slot."""


class LockView(msgspec.Struct, frozen=True):
    """One slot of a lock that is held since `taken_at`, or one that waits for it since then; `live` = 1 while its session lives.

    A waiter has its `place` in line, from 1, and leaves at `until_at`. A holder has its `slot`, of `slots`, and its fencing token.
    `longest_ms` = the longest hold of the lock so far, 0 if none was longer than a minute.
    """

    name: str
    owner: str
    session: int | None
    token: int | None
    acquired_at: int = msgspec.field(name="taken_at")
    note: str | None
    live: int
    slot: int | None
    slots: int
    place: int | None
    until_at: int | None
    longest_ms: int

    @property
    def state(self) -> str:
        """The state: held, waiting, or left by a process that is gone."""
        return "waiting" if self.place is not None else "held" if self.live else "left"


class EventView(msgspec.Struct, frozen=True):
    """A stored event."""

    seq: int
    id: str
    name: str
    key: str | None
    data: bytes
    at: int
    keep_until: int
    woken: int


class GivenRun(msgspec.Struct, frozen=True):
    """A run that was given an event."""

    id: str
    automation: str
    state: RunState


class AuditView(msgspec.Struct, frozen=True):
    """One operation on record; `detail` and `result` are JSON."""

    seq: int
    at: int
    command: str
    actor: str
    verb: str
    subject: str
    reason: str | None
    detail: bytes | None
    result: bytes
    hash: str


class AuditCheck(msgspec.Struct, frozen=True):
    """Whether the audit log is intact: the seq of the first row that breaks the chain, or None; how many rows; the last
    hash.
    """

    broken_at: int | None
    rows: int
    last_hash: str


class Sums(msgspec.Struct, frozen=True):
    """Sums of one automation since an instant."""

    automation: str
    started: int
    succeeded: int
    failed: int
    cancelled: int
    attention: int
    steps: int
    step_errors: int
    duration_ms: int
    max_duration_ms: int
    details: dict[str, int]


class Capped(msgspec.Struct, frozen=True):
    """A count that stops at its limit; `str()` is "1,000+" there."""

    number: int
    more: bool

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.more else f"{self.number:,}"


class Blocker(msgspec.Struct, frozen=True):
    """Facts from which `explain` tells why a run does not continue. `place` counts from 1 among ready runs of its group
    (capped).
    """

    run: RunView
    held: bool
    place: Capped | None
    holder: str | None
    queue: QueueView | None
    slot_holders: list[RunRow]
    automation: AutomationView | None
    workers: list[WorkerView]
    waits: list[WaitView]
    is_served: bool = False  # a worker is alive, even one without this automation
    is_supervised: bool = False  # a supervisor is alive that replaces a dead worker
    child_queue: ChildQueue | None = None  # of the worker that owns the run
    is_owner_gone: bool = False  # the process that owns it died, and no other one has recorded that yet
    undecided: Capped | None = None  # runs that must be decided before a store on hold can be released
    is_undecided: bool = False  # it is an undecided run


def columns(kind: type[msgspec.Struct]) -> str:
    """Return the columns a read must select for this struct, in order."""
    return ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
