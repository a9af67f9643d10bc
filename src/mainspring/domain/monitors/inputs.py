"""Inputs of all monitors for one evaluation: plain values, one Struct a noun. Instants are ms UTC, spans in figures are ms.

Invariant: everything follows from the store and the instant of the evaluation, in whatever process it is read.
"""

import shlex
from collections.abc import Container
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mainspring.domain.definitions.options import OPTIONS, DefinitionKind
from mainspring.domain.duration import parse_duration
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_members import HealthRule, Settlement
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.domain.monitors.flag_inputs import UnansweredFlag, WatchedFlag
from mainspring.domain.monitors.question_inputs import UnansweredQuestion
from mainspring.domain.monitors.rollout_inputs import WatchedRollout
from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.processes.stall import BlockedLoop, Stall
from mainspring.domain.text.escaping import escape
from mainspring.domain.time.clock_step import ClockRegression
from mainspring.domain.time.punctuality import Punctuality
from mainspring.domain.time.schedule import Schedule

_LONGEST_REASON, _REASONS = 160, 3


class WatchedSchedule(Struct, frozen=True, kw_only=True):
    """A schedule that has not ended.

    `since_at` = nothing before it is expected. `written_at` = when it got its present form, or ended its last pause: the first slot of an
    interval is the one that was under way then. `unbegun_at`, `unbegun_run` = the oldest slot whose run has not begun.
    """

    name: str
    schedule: Schedule
    since_at: int
    written_at: int = 0
    next_slot_at: int | None = None
    unbegun_at: int | None = None
    unbegun_run: str | None = None
    options: dict[str, Any] | None = None
    """The options of a schedule that a person or program created; None = it is declared in code."""


class RunCompletion(Struct, frozen=True):
    """The end of a run that is still stored; `size` = bytes of its output, None = unknown."""

    run: str
    succeeded: bool
    failed: bool
    started_at: int | None
    finished_at: int
    size: int | None = None

    @property
    def duration_ms(self) -> int | None:
        """The duration of the run; None = it never began, or the clock was put back while it ran."""
        if self.started_at is None or self.started_at > self.finished_at:
            return None
        return self.finished_at - self.started_at


class RecentCounts(Struct, frozen=True):
    """Runs that ended in the window that ends now, and runs that began in the last hour."""

    succeeded: int = 0
    failed: int = 0
    started: int = 0


class SuccessGaps(Struct, frozen=True, kw_only=True):
    """Successes up to the last one: how many, over how long, and the gaps between hours that had some.

    `on_weekends` = one of them was on a Saturday or Sunday.
    """

    successes: int
    over_ms: int
    class_name: str
    class_gaps: int
    p99_ms: int
    largest_ms: int
    on_weekends: bool


class DurationHistory(Struct, frozen=True, kw_only=True):
    """Durations on ended days: how often a run took at most 2^k ms, over how long, and the most starts in one hour."""

    buckets: tuple[tuple[int, int], ...]
    over_ms: int
    busiest_hour: int

    @property
    def runs(self) -> int:
        """How many runs are counted."""
        return sum(n for _, n in self.buckets)

    def bucket_at(self, share: float) -> int:
        """Return the k of the run at this share of all, from the shortest; there must be runs."""
        rank, target_rank = 0, share * self.runs
        for k, n in self.buckets:
            rank += n
            if rank >= target_rank:
                return k
        return self.buckets[-1][0]


class OutputSizes(Struct, frozen=True, kw_only=True):
    """Output of successes on ended days: how many, over how long, and how small the output was on which days.

    `days` = (least bytes of the smallest output of a day, first such day, last such day), the smallest first.
    """

    successes: int
    over_ms: int
    days: tuple[tuple[int, int, int], ...]

    def usual(self, apart_ms: int) -> int | None:
        """Return the smallest size that was seen on days at least this far apart; None if there was none."""
        first_at, last_at = self.days[0][1:] if self.days else (0, 0)
        for size, size_first_at, size_last_at in self.days:
            first_at, last_at = min(first_at, size_first_at), max(last_at, size_last_at)
            if last_at - first_at >= apart_ms:
                return size
        return None


class WaitingRuns(Struct, frozen=True):
    """Runs that could be claimed and are not: `queue` = the queue of the oldest, which waits since `since_at`."""

    number: int
    since_at: int
    queue: str


class RejectedMessage(Struct, frozen=True):
    """A signal, an event or an answer that an unfinished run could not read, with no decision of a person yet."""

    run: str
    kind: str
    name: str
    at: int


class UnreachableSource(Struct, frozen=True):
    """A consumer that cannot reach its source."""

    trigger: str
    host: str
    since_at: int
    why: str | None
    source: str | None = None
    """The broker, which several consumers may share."""


class UndecidedDeliveries(Struct, frozen=True, kw_only=True):
    """Deliveries of one trigger that start nothing until a person decides: rejected, or failed.

    `newest` and `is_stored` belong to the newest; `is_stored` = it can be replayed. `reasons` = the distinct ones, newest first.
    """

    trigger: str
    is_rejected: bool
    number: int
    since_at: int
    newest: str
    reasons: tuple[str, ...]
    is_stored: bool

    @property
    def kind(self) -> IncidentKind:
        """The kind of their incident."""
        return IncidentKind.DELIVERY_REJECTED if self.is_rejected else IncidentKind.DELIVERY_FAILED

    @property
    def text(self) -> str:
        """The problem in one line."""
        number = f"{self.number:,} deliver{'y' if self.number == 1 else 'ies'}"
        state = f"w{'as' if self.number == 1 else 'ere'} rejected" if self.is_rejected else "failed"
        reasons = "; ".join(escape(reason, _LONGEST_REASON) for reason in self.reasons[:_REASONS])
        more = len(self.reasons) - _REASONS
        more_text = f"; and {more} more reason{'' if more == 1 else 's'}" if more > 0 else ""
        return f"{number} of {self.trigger} {state} and started nothing: {reasons}{more_text}"


class RejectedSender(Struct, frozen=True, kw_only=True):
    """Requests to one trigger whose signature does not fit, since the last delivery of a known sender.

    `dense` = more than five came within ten minutes; `was_known` = the trigger accepted deliveries of a known sender before.
    """

    trigger: str
    number: int
    since_at: int
    dense: bool
    was_known: bool


class HeldDebounce(Struct, frozen=True, kw_only=True):
    """A key whose debounce (`span_ms`) has released nothing since `since_at`; its newest delivery is due at `due_at`."""

    trigger: str
    by: str
    span_ms: int
    since_at: int
    due_at: int


class HeldPartition(Struct, frozen=True, kw_only=True):
    """Runs that wait behind a run which holds their partition and does not run. `since_at` = when the first began to wait behind it."""

    queue: str
    partition: str
    number: int
    since_at: int
    holder: str
    holder_automation: str
    holder_state: str


class PausedRun(Struct, frozen=True, kw_only=True):
    """A run that a person paused."""

    run: str
    paused_at: int
    by: str


class ReadyRuns(Struct, frozen=True, kw_only=True):
    """Runs that are ready and that no live worker claims. `why` names the missing condition; `fix` is a command."""

    queue: str
    version: int
    tag: str
    number: int
    since_at: int
    why: str
    fix: str


class UnsentQueue(Struct, frozen=True, kw_only=True):
    """Messages of the outbox to one queue of a broker that wait, and those that it refused. Instants are ms UTC."""

    queue: str
    oldest_at: int
    why: str | None = None
    refused: int = 0


class WatchedAutomation(Struct, frozen=True, kw_only=True):
    """One automation. `served` = live processes that announced it; `gaps`, `history`, `sizes` None = not read yet, or not needed."""

    name: str
    kind: str = "task"
    tier: Severity = Severity.NOTIFY
    options: dict[str, Any] = {}
    file: str = ""
    """The file that declares it; "" = not in a file."""
    announced_at: int = 0
    deploy: int = 0
    """The number of the deployment of its code."""
    expected_from_at: int = 0
    silent_from_at: int | None = None
    """The same for a success, if a silence is open: no hold of the store ends that. None = expected_from_at."""
    paused_at: int | None = None
    paused_until: int | None = None
    paused_by: str | None = None
    retired_at: int | None = None
    problem: str | None = None
    served: int = 0
    listens: bool = False
    cadences: tuple[WatchedSchedule, ...] = ()
    succeeded_at: int | None = None
    ends: tuple[RunCompletion, ...] = ()
    """The newest, newest first."""
    recent: RecentCounts = RecentCounts()
    running_since_at: int | None = None
    waiting: WaitingRuns | None = None
    questions: tuple[UnansweredQuestion, ...] = ()
    rejected: tuple[RejectedMessage, ...] = ()
    """Oldest first."""
    away: tuple[UnreachableSource, ...] = ()
    stalls: tuple[Stall, ...] = ()
    lost_deliveries: tuple[UndecidedDeliveries, ...] = ()
    rejected_senders: tuple[RejectedSender, ...] = ()
    held_debounces: tuple[HeldDebounce, ...] = ()
    held_partitions: tuple[HeldPartition, ...] = ()
    unserved: tuple[ReadyRuns, ...] = ()
    paused_runs: tuple[PausedRun, ...] = ()
    """Longest pause first."""
    gaps: SuccessGaps | None = None
    history: DurationHistory | None = None
    sizes: OutputSizes | None = None

    @property
    def success_from_at(self) -> int:
        """The instant from which a success is expected (ms UTC)."""
        return self.expected_from_at if self.silent_from_at is None else self.silent_from_at

    @property
    def up_command(self) -> str:
        """The command that starts a worker with its file."""
        return f"mainspring up -m {shlex.quote(self.file)}" if self.file else "mainspring up"

    def is_off(self, now_at: int) -> bool:
        """Whether no runs are expected: it is retired, or paused for now."""
        paused = self.paused_at is not None and (self.paused_until is None or self.paused_until > now_at)
        return self.retired_at is not None or paused

    def jitter_of(self, cadence: WatchedSchedule) -> timedelta | None:
        """Return the jitter of a schedule, which a created one may state for itself; None if it has none."""
        value = (cadence.options or {}).get("jitter", self.option("jitter"))
        return None if value is None else parse_duration(value)

    @property
    def is_about_one_thing(self) -> bool:
        """Whether all its runs are about the same thing, so that its next success makes it healthy."""
        stated = self.option("healthy")
        if stated is not None:
            return bool(stated == HealthRule.AUTOMATION)
        has_cadence = any(cadence.options is None for cadence in self.cadences)  # a created one is a thing of its own
        return self.option("item") is None and (has_cadence or self.kind == DefinitionKind.EXEC)

    def option(self, name: str) -> Any:
        """Return an option, its default if it was left out."""
        return self.options.get(name, OPTIONS[name].default)

    def span(self, name: str) -> timedelta | None:
        """Return an option that is a span; None if it is left out or off."""
        value = self.option(name)
        return None if value is None or value is False else parse_duration(value)


class WatchedProcess(Struct, frozen=True, kw_only=True):
    """A session that has not ended on record. `gone` = its process is known to be dead; `posts` = the roles that a supervisor keeps."""

    session: int
    role: str
    host: str
    pid: int
    beat_at: int
    opened_at: int
    gone: bool = False
    draining: bool = False
    serves: bool = False
    """It announced automations; a worker may have found none to announce."""
    posts: tuple[str, ...] = ()
    blocked: BlockedLoop | None = None
    """Its own report about its event loop."""
    findings: tuple[ProcessFinding, ...] = ()
    """Its own reports about other problems."""


class DueSecret(Struct, frozen=True):
    """A secret that has to be renewed by the start of a day, `due_at`; `used_by` = its known users, in words."""

    name: str
    day: str
    due_at: int
    used_by: tuple[str, ...] = ()


class HeldLock(Struct, frozen=True):
    """A lock; `live` = its holder's session is alive. `slot` = which one, if it has several.

    `usual_ms` = its longest hold so far, None if it was not acquired often enough to know.
    """

    name: str
    owner: str
    acquired_at: int
    live: bool
    slot: int | None = None
    usual_ms: int | None = None


class EffectDoubt(Struct, frozen=True):
    """An effect in doubt that no run asks about; `reason` = why its outcome is not known."""

    key: str
    since_at: int
    reason: str | None


class WatchedQueue(Struct, frozen=True, kw_only=True):
    """A queue. `arrived` and `ended` are runs of the last hour, counted up to a cap, and only if its backlog is large enough."""

    name: str
    backlog: int = 0
    max_backlog: int | None = None
    paused_at: int | None = None
    paused_by: str | None = None
    arrived: int = 0
    ended: int = 0


class NewFailure(Struct, frozen=True, kw_only=True):
    """A failure that was not notified yet. `state` and `reason` are those of the run; `text` is one line, escaped.

    `code` = of its error, `settled` = what settled it already; None = it is open.
    """

    run: str
    automation: str
    fingerprint: str
    state: str
    reason: str
    at: int
    text: str
    code: str = ""
    healthy: HealthRule = HealthRule.ITEM
    settled: Settlement | None = None


class OpenFailure(Struct, frozen=True, kw_only=True):
    """An incident of failed runs that is not resolved: how many runs failed since it was opened, how many are open and how many fixed.

    `newest` = an open one. With `open` 0 no failure is left.
    """

    incident: Incident
    failed: int = 0
    open: int = 0
    fixed: int = 0
    newest: str | None = None


class Reopening(Struct, frozen=True):
    """An incident that was opened again."""

    automation: str
    kind: IncidentKind
    fingerprint: str
    at: int


class ManualHelp(Struct, frozen=True):
    """Runs of 30 days that a person started, resumed or gave a result, and all runs that began."""

    helped: int
    started: int


class MonitorInputs(Struct, frozen=True, kw_only=True):
    """All inputs of one evaluation. `by_hand` is by automation; `open` = incidents that are not resolved.

    `last_seen`, `last_ended` and `last_died`: by role, the last heartbeat of any process (of one that died only if it had lived for a
    while), the last end of one, and the last death. `changed` = what changed just before the failures of a subject began. `punctual` = the
    punctuality of each schedule up to the start of the day, None = it had too few slots; a missing schedule is not read yet.
    """

    automations: tuple[WatchedAutomation, ...] = ()
    processes: tuple[WatchedProcess, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    doubts: tuple[EffectDoubt, ...] = ()
    flags: tuple[WatchedFlag, ...] = ()
    unanswered: tuple[UnansweredFlag, ...] = ()
    rollouts: tuple[WatchedRollout, ...] = ()
    queues: tuple[WatchedQueue, ...] = ()
    faults: tuple[NewFailure, ...] = ()
    failing: tuple[OpenFailure, ...] = ()
    changed: dict[Subject, str] = {}
    reopenings: tuple[Reopening, ...] = ()
    by_hand: dict[str, ManualHelp] = {}
    punctual: dict[str, Punctuality | None] = {}
    secrets: tuple[DueSecret, ...] = ()
    unsent: tuple[UnsentQueue, ...] = ()
    store: tuple[StoreFinding, ...] = ()
    """Problems of the store itself."""
    clock: ClockRegression | None = None
    """The clock was put back, no person has decided on it, and it has not passed the old instant yet."""
    open: frozenset[Subject] = frozenset()
    last_seen: dict[str, int] = {}
    last_ended: dict[str, int] = {}
    last_died: dict[str, int] = {}

    def expected(self, now_at: int) -> tuple[WatchedAutomation, ...]:
        """Return the automations that are expected to run or succeed now."""
        return tuple(automation for automation in self.automations if not automation.is_off(now_at))

    def of(self, names: Container[str]) -> "MonitorInputs":
        """Return the inputs that concern these automations."""
        return replace(
            self,
            automations=tuple(automation for automation in self.automations if automation.name in names),
            faults=tuple(failure for failure in self.faults if failure.automation in names),
            failing=tuple(failing for failing in self.failing if failing.incident.subject.automation in names),
            reopenings=tuple(reopening for reopening in self.reopenings if reopening.automation in names),
        )
