"""The facts that an evaluation reads: a few statements for all automations, whatever their number.

Invariant: what is cached between evaluations is what a new reader would read. So all watchers, and people, evaluate alike.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.alerting.inputs.baselines import Baselines
from mainspring.alerting.inputs.flag_facts import FlagFactsReader
from mainspring.alerting.inputs.held_work import (
    read_held_debounces,
    read_held_partitions,
    read_paused_runs,
    read_unsent,
)
from mainspring.alerting.inputs.lost_deliveries import (
    RejectedSenderReader,
    group_by_automation,
    read_lost_deliveries,
    read_rejected_deliveries,
)
from mainspring.alerting.inputs.processes import SHORT_LIVED_ROLES, ReadyRunGroup, find_unserved, list_processes
from mainspring.alerting.inputs.rollout_facts import list_watched_rollouts
from mainspring.alerting.inputs.run_history import (
    ManualInterventions,
    PunctualityHistory,
    RecentRuns,
    clock_caught_up_at,
    correct_durations,
    corrected_start,
    find_jumps,
    last_jump_at,
)
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import (
    DueSecret,
    EffectDoubt,
    HeldLock,
    MonitorInputs,
    NewFailure,
    OpenFailure,
    RecentCounts,
    RejectedMessage,
    Reopening,
    RunCompletion,
    UnreachableSource,
    WaitingRuns,
    WatchedAutomation,
    WatchedQueue,
    WatchedSchedule,
)
from mainspring.domain.monitors.question_inputs import UnansweredQuestion
from mainspring.domain.monitors.system.worker_lost import STEADY_AFTER_MS
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.domain.monitors.waiting.backlog import RATE_WINDOW_MS
from mainspring.domain.monitors.waiting.effect_in_doubt import UNSETTLED_MS
from mainspring.domain.monitors.waiting.lock_held import USUAL_FROM_HOLDS
from mainspring.domain.redaction.secret_name import secret_variable_name
from mainspring.domain.states import SessionState
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.trigger import read_source
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers
from mainspring.store.read.automations import monitor_reads
from mainspring.store.read.automations.monitor_reads import MonitoredTrigger
from mainspring.store.read.effects import list_open_doubts
from mainspring.store.read.status import status
from mainspring.store.read.status.clock_steps import RecordedStep, find_regression, recorded_steps
from mainspring.store.read.status.store_findings import store_findings
from mainspring.store.restore_hold import HOLD_KEY, RELEASED_AT
from mainspring.store.session_views import SessionView
from mainspring.store.views import AutomationView

AT_ONCE = 100
_FINE_COUNTS_FOR_MS = 48 * HOUR_MS
_MINUTE_MS = 60_000
_LEAST_COUNTED, _MOST_COUNTED = 1_000, 100_000
"""Limit of the count of waiting runs of one group: the backlog limit of the definitions, if known, within these bounds."""
_LEAST_BACKLOG = 100


class _DefinitionParts(msgspec.Struct, frozen=True):
    """The parts of a definition that monitors read."""

    options: dict[str, Any] = {}
    file: str = ""


class FactsReader:
    """Reads the facts of one store, one evaluation after the other; for one thread.

    `at_once` = most automations whose history one evaluation reads (None = all). `about` = read the history of this one alone, even if no
    evaluation needs it. `secrets` = the secrets that are due by the configuration.
    """

    def __init__(
        self,
        reader: StoreReader,
        *,
        at_once: int | None = AT_ONCE,
        about: str | None = None,
        secrets: Iterable[DueSecret] = (),
    ) -> None:
        self._reader = reader
        self._about = about
        self._baselines = Baselines(reader, at_once)
        self._punctuality = PunctualityHistory(reader, at_once)
        self._secrets = tuple(secrets)
        self._parts_by_definition: dict[bytes, _DefinitionParts] = {}
        self._specs: dict[bytes, Schedule] = {}
        self._ends = RecentRuns(reader)
        self._interventions = ManualInterventions(reader)
        self._senders = RejectedSenderReader(reader)
        self._flags = FlagFactsReader(reader)

    def read(
        self,
        now_at: int,
        *,
        window: timedelta = timedelta(hours=1),
        faults: Iterable[NewFailure] = (),
        failing: Iterable[OpenFailure] = (),
        reopenings: Iterable[Reopening] = (),
        open: Iterable[Subject] = (),  # noqa: A002 - the field's name
    ) -> MonitorInputs:
        """Return the facts at an instant. The caller passes what is known of incidents; `window` is that of the fail rate."""
        sessions = status.sessions(self._reader, limit=10_000)
        backlog_limits = [_backlog_limit(parts) for parts in self._parts_by_definition.values()] or [_MOST_COUNTED]
        cap = max(_LEAST_COUNTED, *backlog_limits) + 1
        rows = monitor_reads.read_monitor_rows(
            self._reader,
            now_at,
            ended_from=now_at - window // timedelta(milliseconds=1),
            cap=cap,
            steady_ms=STEADY_AFTER_MS,
        )
        ends = self._ends.read(
            [automation.name for automation in rows.automations if automation.retired_at is None], now_at
        )
        steps, is_open = recorded_steps(self._reader), frozenset(open)
        automations = self._build_automations(rows, ends, sessions, steps, is_open, now_at)
        about = self._about
        flags = self._flags.read(now_at)
        active = [
            automation
            for automation in automations
            if not automation.is_off(now_at) and about in (None, automation.name)
        ]
        learned = self._baselines.of(active, rows.succeeded_in, now_at, all_of_it=about is not None)
        return MonitorInputs(
            automations=tuple(learned.get(automation.name, automation) for automation in automations),
            processes=list_processes(sessions),
            locks=tuple(self._list_held_locks()),
            doubts=tuple(
                EffectDoubt(doubt.key, doubt.since_at, doubt.reason)
                for doubt in list_open_doubts(self._reader, now_at - UNSETTLED_MS)
            ),
            flags=flags.known,
            unanswered=flags.unanswered,
            rollouts=tuple(list_watched_rollouts(self._reader)),
            queues=self._list_queues(now_at),
            faults=tuple(faults),
            failing=tuple(failing),
            reopenings=tuple(reopenings),
            by_hand=self._interventions.of(automations, now_at),
            punctual=self._punctuality.of(active, now_at),
            secrets=_add_triggers(self._secrets, rows.listeners),
            unsent=read_unsent(self._reader),
            store=store_findings(self._reader),
            clock=find_regression(self._reader, steps, now_at),
            open=is_open,
            last_seen={role.role: role.seen_at for role in rows.roles if role.seen_at is not None},
            last_ended={role.role: role.ended_at for role in rows.roles if role.ended_at is not None},
            last_died={role.role: role.died_at for role in rows.roles if role.died_at is not None},
        )

    def read_of(
        self,
        names: Collection[str],
        now_at: int,
        *,
        window: timedelta = timedelta(hours=1),
        open: Iterable[Subject] = (),  # noqa: A002 - the field's name
    ) -> MonitorInputs:
        """Return the facts of some automations only: what is due, how runs ended and how long they took.

        Of the history it reads only gaps; of `about` all of it. `window` and `open` are as for `read`.
        """
        ended_from = now_at - window // timedelta(milliseconds=1)
        rows = monitor_reads.read_monitor_rows_of(self._reader, names, now_at, ended_from=ended_from)
        ends = self._ends.read([automation.name for automation in rows.automations], now_at)
        is_open = frozenset(open)
        automations = self._build_automations(rows, ends, [], recorded_steps(self._reader), is_open, now_at)
        learned = self._baselines.of(
            [automation for automation in automations if not automation.is_off(now_at)],
            rows.succeeded_in,
            now_at,
            all_of_it=True,
            gaps_only=self._about is None,
        )
        return MonitorInputs(
            automations=tuple(learned.get(automation.name, automation) for automation in automations), open=is_open
        )

    def _build_automations(
        self,
        rows: monitor_reads.MonitorRows,
        ends: dict[str, tuple[RunCompletion, ...]],
        sessions: list[SessionView],
        steps: Sequence[RecordedStep],
        is_open: frozenset[Subject],
        now_at: int,
    ) -> list[WatchedAutomation]:
        cadences: dict[str, list[WatchedSchedule]] = {}
        caught_up = clock_caught_up_at(steps, now_at)
        for row in rows.schedules:
            cadences.setdefault(row.automation, []).append(self._build_schedule(row, caught_up))
        self._specs = {row.spec: self._specs[row.spec] for row in rows.schedules}
        waiting: dict[str, WaitingRuns] = {}
        for name, queue, number, since_at in rows.waiting:
            waiting[name] = _join_waiting(waiting.get(name), WaitingRuns(number, since_at, queue))
        rejected: dict[str, list[RejectedMessage]] = {}
        for name, run, kind, name_text, rejected_at in rows.rejected:
            rejected.setdefault(name, []).append(RejectedMessage(run, kind, name_text, rejected_at))
        questions: dict[str, list[UnansweredQuestion]] = {}
        for name, run, opened_at, until_at, ident, plan in rows.questions:
            questions.setdefault(name, []).append(UnansweredQuestion(run, opened_at, until_at, ident, plan))
        served = _count_processes(sessions)
        held_up = self._read_held_work(rows, sessions, now_at)
        away = self._list_unreachable(rows.listeners, {session.id for session in sessions})
        listening = {listener.automation for listener in rows.listeners}
        used: dict[bytes, _DefinitionParts] = {}
        jumps = find_jumps(steps, now_at)
        jumped = last_jump_at(jumps)
        expected_from_at = max(self._expected_from_at(now_at), jumped)
        found = [
            self._build_automation(
                automation,
                used,
                expected_from_at=max(rows.pauses_ended.get(automation.name, 0), expected_from_at),
                silent_from_at=max(rows.pauses_ended.get(automation.name, 0), jumped)
                if Subject(automation.name, IncidentKind.SILENCE) in is_open
                else None,
                served=served.get(automation.name, 0),
                listens=automation.name in listening,
                cadences=tuple(cadences.get(automation.name, ())),
                succeeded_at=_last_success_at(
                    rows.succeeded_in.get(automation.name), ends.get(automation.name, ()), now_at
                ),
                ends=correct_durations(jumps, ends.get(automation.name, ())),
                recent=RecentCounts(*rows.ended.get(automation.name, (0, 0)), rows.started.get(automation.name, 0)),
                running_since_at=None if since is None else corrected_start(jumps, since, now_at),
                waiting=waiting.get(automation.name),
                questions=tuple(questions.get(automation.name, ())),
                rejected=tuple(rejected.get(automation.name, ())),
                away=tuple(away.get(automation.name, ())),
                stalls=tuple(rows.stalls.get(automation.name, ())),
                **{field: known.get(automation.name, ()) for field, known in held_up.items()},
            )
            for automation in rows.automations
            for since in (rows.running.get(automation.name),)
        ]
        self._parts_by_definition = used  # forget parts of replaced definitions
        return found

    def _expected_from_at(self, now_at: int) -> int:
        """Return the instant from which runs are expected: a restored store starts nothing before its release."""
        if status.meta(self._reader, HOLD_KEY) is not None:
            return now_at
        return int(status.meta(self._reader, RELEASED_AT) or 0)

    def _read_held_work(
        self, rows: monitor_reads.MonitorRows, sessions: list[SessionView], now_at: int
    ) -> dict[str, Mapping[str, tuple[Any, ...]]]:
        """Return lost and blocked work, by field of WatchedAutomation and automation; of some automations only the paused runs."""
        paused_runs = read_paused_runs(self._reader)
        if not sessions and not rows.listeners:
            return {"paused_runs": paused_runs}
        rejected = read_rejected_deliveries(self._reader) if rows.listeners else []
        paused = {queue.name for queue in status.queue_views(self._reader) if queue.paused_at is not None}
        return {
            "lost_deliveries": group_by_automation(read_lost_deliveries(self._reader, rows.listeners, rejected)),
            "rejected_senders": self._senders.read(rejected),
            "held_debounces": read_held_debounces(self._reader, rows.listeners, now_at),
            "held_partitions": read_held_partitions(self._reader, now_at),
            "paused_runs": paused_runs,
            "unserved": find_unserved([ReadyRunGroup(*row) for row in rows.groups], sessions, paused),
        }

    def _build_automation(
        self, view: AutomationView, used: dict[bytes, _DefinitionParts], **facts: Any
    ) -> WatchedAutomation:
        parts = self._parts_by_definition.get(view.definition)
        if parts is None:
            parts = (
                msgspec.json.decode(view.definition, type=_DefinitionParts) if view.definition else _DefinitionParts()
            )
        used[view.definition] = parts
        return WatchedAutomation(
            name=view.name,
            kind=view.kind,
            file=parts.file,
            tier=Severity(parts.options.get("tier", Severity.NOTIFY)),
            options=parts.options,
            announced_at=view.announced_at,
            deploy=view.deploy,
            paused_at=view.paused_at,
            paused_until=view.paused_until,
            paused_by=view.paused_by,
            retired_at=view.retired_at,
            problem=view.problem,
            **facts,
        )

    def _build_schedule(self, row: monitor_reads.PlannedView, caught_up: int) -> WatchedSchedule:
        schedule = self._specs.get(row.spec)
        if schedule is None:
            schedule = self._specs[row.spec] = Schedule.from_data(msgspec.json.decode(row.spec))
        resumed_at = row.resumed_at or 0
        return WatchedSchedule(
            name=row.name,
            schedule=schedule,
            since_at=max(row.low_water_at, caught_up, resumed_at),
            written_at=max(row.spec_at or 0, resumed_at),
            next_slot_at=row.next_slot_at,
            unbegun_at=row.unbegun_at,
            unbegun_run=row.unbegun_run,
            options=None if row.options is None else msgspec.json.decode(row.options),
        )

    def _list_unreachable(
        self, listeners: list[monitor_reads.MonitoredTrigger], live: set[int]
    ) -> dict[str, list[UnreachableSource]]:
        known = {listener.name: listener for listener in listeners}
        found: dict[str, list[UnreachableSource]] = {}
        for consumer in triggers.consumers(self._reader):
            listener = known.get(consumer.trigger)
            if consumer.unreachable_at is None or listener is None or consumer.session not in live:
                continue
            source = read_source(listener.definition)
            server = source.server if isinstance(source, BrokerQueue) else None
            unreachable = UnreachableSource(
                consumer.trigger, consumer.hostname or "", consumer.unreachable_at, consumer.reason, server
            )
            found.setdefault(listener.automation, []).append(unreachable)
        return found

    def _list_held_locks(self) -> Iterator[HeldLock]:
        for lock in status.locks(self._reader):
            if lock.token is not None:
                slot = lock.slot if lock.slots > 1 else None
                usual_ms = lock.longest_ms if lock.token >= USUAL_FROM_HOLDS else None
                yield HeldLock(lock.name, lock.owner, lock.acquired_at, bool(lock.live), slot, usual_ms)

    def _list_queues(self, now_at: int) -> tuple[WatchedQueue, ...]:
        views = status.queue_views(self._reader)
        added: dict[str, int] = {}
        ended: dict[str, int] = {}
        if any(queue.max_backlog is not None and queue.backlog >= _LEAST_BACKLOG for queue in views):
            added, ended = monitor_reads.queue_traffic(self._reader, now_at - RATE_WINDOW_MS)
        return tuple(
            WatchedQueue(
                name=queue.name,
                backlog=queue.backlog,
                max_backlog=queue.max_backlog,
                paused_at=queue.paused_at,
                paused_by=queue.paused_by,
                arrived=added.get(queue.name, 0),
                ended=ended.get(queue.name, 0),
            )
            for queue in views
        )


def _count_processes(sessions: Iterable[SessionView]) -> Mapping[str, int]:
    """Return how many long-running processes serve each automation."""
    alive = (session for session in sessions if session.state not in (SessionState.DEAD, SessionState.CLOSED))
    return Counter(name for session in alive if session.role not in SHORT_LIVED_ROLES for name in session.automations)


def _last_success_at(minute_at: int | None, ends: tuple[RunCompletion, ...], now_at: int) -> int | None:
    """Return the last success: exact if its run is stored, else the latest possible instant in the minute, or hour, that counted it.

    The newest ends are all later than a success that is not among them.
    """
    exact_at = max((end.finished_at for end in ends if end.succeeded), default=None)
    if minute_at is None or (exact_at is not None and exact_at >= minute_at):
        return exact_at
    span_ms = HOUR_MS if now_at - minute_at > _FINE_COUNTS_FOR_MS else _MINUTE_MS
    last_at = min(minute_at - minute_at % span_ms + span_ms - 1, now_at)
    if exact_at is not None:
        return last_at
    return max(minute_at, min([last_at, *(end.finished_at - 1 for end in ends)]))


def _join_waiting(known: WaitingRuns | None, other: WaitingRuns) -> WaitingRuns:
    """Join two groups of waiting runs; the queue is that of the oldest."""
    if known is None:
        return other
    first = min(known, other, key=lambda waiting: waiting.since_at)
    return WaitingRuns(known.number + other.number, first.since_at, first.queue)


def _backlog_limit(written: _DefinitionParts) -> int:
    stated = written.options.get("backlog")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 0


def _add_triggers(secrets: Sequence[DueSecret], listeners: Iterable[MonitoredTrigger]) -> tuple[DueSecret, ...]:
    """Return the secrets with the triggers that use them. Two names of one variable are one secret."""
    if not secrets:
        return ()
    users: dict[str, list[str]] = {}
    for listener in listeners:
        source = read_source(listener.definition)
        for name in () if source is None else source.secret_names():
            users.setdefault(secret_variable_name(name), []).append(f"trigger {listener.name}")
    return tuple(
        msgspec.structs.replace(
            secret, used_by=(*secret.used_by, *sorted(users.get(secret_variable_name(secret.name), ())))
        )
        for secret in secrets
    )
