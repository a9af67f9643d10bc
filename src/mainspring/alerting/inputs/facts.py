"""Reads the facts of a look: few statements for all automations, whatever their number.

Invariant: what is kept between looks is only what a new reader would read too; so any number of watchers, and people, judge alike.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.alerting.inputs.baselines import Baselines
from mainspring.alerting.inputs.clock_jumps import (
    clock_caught_up_at,
    correct_durations,
    corrected_start,
    find_jumps,
    last_jump_at,
)
from mainspring.alerting.inputs.due_secrets import add_triggers
from mainspring.alerting.inputs.held_work import read_held_debounces, read_held_partitions, read_unsent
from mainspring.alerting.inputs.lost_deliveries import (
    group_by_automation,
    read_lost_deliveries,
    read_rejected_deliveries,
)
from mainspring.alerting.inputs.manual_interventions import ManualInterventions
from mainspring.alerting.inputs.processes import SHORT_LIVED_ROLES, list_processes
from mainspring.alerting.inputs.punctuality_history import PunctualityHistory
from mainspring.alerting.inputs.recent_runs import RecentRuns
from mainspring.alerting.inputs.rejected_senders import RejectedSenderReader
from mainspring.alerting.inputs.unserved_runs import ReadyRunGroup, find_unserved
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import (
    DueSecret,
    HeldLock,
    MonitorInputs,
    NewFailure,
    OpenFailure,
    OpenQuestion,
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
from mainspring.domain.monitors.system.worker_lost import STEADY_AFTER_MS
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.domain.monitors.waiting.backlog import RATE_WINDOW_MS
from mainspring.domain.states import SessionState
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.queues.queue_source import BrokerQueue as QueueSource
from mainspring.domain.triggers.trigger import read_source
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers
from mainspring.store.read.automations import monitor_reads as reads
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
"""Where waiting runs of one group are counted no further: at what definitions state, if that is known."""
_LEAST_BACKLOG = 100


class _DefinitionParts(msgspec.Struct, frozen=True):
    """Of a definition, what monitors look at."""

    options: dict[str, Any] = {}
    file: str = ""


class FactsReader:
    """Reads facts of one store, look by look; for one thread.

    `at_once` = of how many automations one look reads the history (None = of all); `about` = read it of this one alone, whether a
    verdict needs it or not. `secrets` = those that the configuration says are due.
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
        self._learned = Baselines(reader, at_once)
        self._kept_times = PunctualityHistory(reader, at_once)
        self._secrets = tuple(secrets)
        self._written: dict[bytes, _DefinitionParts] = {}
        self._specs: dict[bytes, Schedule] = {}
        self._ends = RecentRuns(reader)
        self._help = ManualInterventions(reader)
        self._senders = RejectedSenderReader(reader)

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
        """Return the facts at an instant. What is known of incidents is the caller's; `window` is that of the fail rate."""
        sessions = status.sessions(self._reader, limit=10_000)
        stated = [_backlog_limit(one) for one in self._written.values()] or [_MOST_COUNTED]
        cap = max(_LEAST_COUNTED, *stated) + 1
        rows = reads.read_monitor_rows(
            self._reader,
            now_at,
            ended_from=now_at - window // timedelta(milliseconds=1),
            cap=cap,
            steady_ms=STEADY_AFTER_MS,
        )
        ends = self._ends.read([one.name for one in rows.automations if one.retired_at is None], now_at)
        steps, is_open = recorded_steps(self._reader), frozenset(open)
        automations = self._watched(rows, ends, sessions, steps, is_open, now_at)
        about = self._about
        looked_at = [one for one in automations if not one.is_off(now_at) and about in (None, one.name)]
        learned = self._learned.of(looked_at, rows.succeeded_in, now_at, all_of_it=about is not None)
        return MonitorInputs(
            automations=tuple(learned.get(one.name, one) for one in automations),
            processes=list_processes(sessions),
            locks=tuple(
                HeldLock(one.name, one.owner, one.taken_at, bool(one.live)) for one in status.locks(self._reader)
            ),
            queues=self._queues(now_at),
            faults=tuple(faults),
            failing=tuple(failing),
            reopenings=tuple(reopenings),
            by_hand=self._help.of(automations, now_at),
            punctual=self._kept_times.of(looked_at, now_at),
            secrets=add_triggers(self._secrets, rows.listeners),
            unsent=read_unsent(self._reader),
            store=store_findings(self._reader),
            clock=find_regression(self._reader, steps, now_at),
            open=is_open,
            last_seen={one.role: one.seen_at for one in rows.roles if one.seen_at is not None},
            last_ended={one.role: one.ended_at for one in rows.roles if one.ended_at is not None},
            last_died={one.role: one.died_at for one in rows.roles if one.died_at is not None},
        )

    def read_of(
        self,
        names: Collection[str],
        now_at: int,
        *,
        window: timedelta = timedelta(hours=1),
        open: Iterable[Subject] = (),  # noqa: A002 - the field's name
    ) -> MonitorInputs:
        """Return the facts of some automations alone: what is due, how they ended, how long they took; of all else nothing.

        Of the history only gaps are read, of `about` all of it. `window` and `open` are as for `read`.
        """
        ended_from = now_at - window // timedelta(milliseconds=1)
        rows = reads.read_monitor_rows_of(self._reader, names, now_at, ended_from=ended_from)
        ends = self._ends.read([one.name for one in rows.automations], now_at)
        is_open = frozenset(open)
        automations = self._watched(rows, ends, [], recorded_steps(self._reader), is_open, now_at)
        learned = self._learned.of(
            [one for one in automations if not one.is_off(now_at)],
            rows.succeeded_in,
            now_at,
            all_of_it=True,
            gaps_alone=self._about is None,
        )
        return MonitorInputs(automations=tuple(learned.get(one.name, one) for one in automations), open=is_open)

    def _watched(
        self,
        rows: reads.MonitorRows,
        ends: dict[str, tuple[RunCompletion, ...]],
        sessions: list[SessionView],
        steps: Sequence[RecordedStep],
        is_open: frozenset[Subject],
        now_at: int,
    ) -> list[WatchedAutomation]:
        cadences: dict[str, list[WatchedSchedule]] = {}
        caught_up = clock_caught_up_at(steps, now_at)
        for row in rows.schedules:
            cadences.setdefault(row.automation, []).append(self._cadence(row, caught_up))
        self._specs = {row.spec: self._specs[row.spec] for row in rows.schedules}
        waiting: dict[str, WaitingRuns] = {}
        for name, queue, number, since_at in rows.waiting:
            waiting[name] = _join_waiting(waiting.get(name), WaitingRuns(number, since_at, queue))
        rejected: dict[str, list[RejectedMessage]] = {}
        for name, run, kind, what, at in rows.rejected:
            rejected.setdefault(name, []).append(RejectedMessage(run, kind, what, at))
        questions: dict[str, list[OpenQuestion]] = {}
        for name, run, opened_at, until_at in rows.questions:
            questions.setdefault(name, []).append(OpenQuestion(run, opened_at, until_at))
        served = _count_processes(sessions)
        held_up = self._held_up(rows, sessions, now_at)
        away = self._away(rows.listeners, {one.id for one in sessions})
        listening = {one.automation for one in rows.listeners}
        used: dict[bytes, _DefinitionParts] = {}
        jumps = find_jumps(steps, now_at)
        jumped = last_jump_at(jumps)
        expected_from_at = max(self._expected_from_at(now_at), jumped)
        found = [
            self._one(
                one,
                used,
                expected_from_at=max(rows.pauses_ended.get(one.name, 0), expected_from_at),
                silent_from_at=max(rows.pauses_ended.get(one.name, 0), jumped)
                if Subject(one.name, IncidentKind.SILENCE) in is_open
                else None,
                served=served.get(one.name, 0),
                listens=one.name in listening,
                cadences=tuple(cadences.get(one.name, ())),
                succeeded_at=_last_success_at(rows.succeeded_in.get(one.name), ends.get(one.name, ()), now_at),
                ends=correct_durations(jumps, ends.get(one.name, ())),
                recent=RecentCounts(*rows.ended.get(one.name, (0, 0)), rows.started.get(one.name, 0)),
                running_since_at=None if since is None else corrected_start(jumps, since, now_at),
                waiting=waiting.get(one.name),
                questions=tuple(questions.get(one.name, ())),
                rejected=tuple(rejected.get(one.name, ())),
                away=tuple(away.get(one.name, ())),
                stalls=tuple(rows.stalls.get(one.name, ())),
                **{field: known.get(one.name, ()) for field, known in held_up.items()},
            )
            for one in rows.automations
            for since in (rows.running.get(one.name),)
        ]
        self._written = used  # what was replaced is forgotten
        return found

    def _expected_from_at(self, now_at: int) -> int:
        """Return from when on anything is expected: a restored store starts nothing before its release."""
        if status.meta(self._reader, HOLD_KEY) is not None:
            return now_at
        return int(status.meta(self._reader, RELEASED_AT) or 0)

    def _held_up(
        self, rows: reads.MonitorRows, sessions: list[SessionView], now_at: int
    ) -> dict[str, Mapping[str, tuple[Any, ...]]]:
        """Return what is lost or held up, by field of Watched and automation; nothing where the rows are of some automations alone."""
        if not sessions and not rows.listeners:
            return {}
        rejected = read_rejected_deliveries(self._reader) if rows.listeners else []
        paused = {one.name for one in status.queue_views(self._reader) if one.paused_at is not None}
        return {
            "lost_deliveries": group_by_automation(read_lost_deliveries(self._reader, rows.listeners, rejected)),
            "rejected_senders": self._senders.read(rejected),
            "held_debounces": read_held_debounces(self._reader, rows.listeners, now_at),
            "held_partitions": read_held_partitions(self._reader, now_at),
            "unserved": find_unserved([ReadyRunGroup(*row) for row in rows.groups], sessions, paused),
        }

    def _one(self, view: AutomationView, used: dict[bytes, _DefinitionParts], **read: Any) -> WatchedAutomation:
        written = self._written.get(view.definition)
        if written is None:
            written = (
                msgspec.json.decode(view.definition, type=_DefinitionParts) if view.definition else _DefinitionParts()
            )
        used[view.definition] = written
        return WatchedAutomation(
            name=view.name,
            kind=view.kind,
            file=written.file,
            tier=Severity(written.options.get("tier", Severity.NOTIFY)),
            options=written.options,
            announced_at=view.announced_at,
            deploy=view.deploy,
            paused_at=view.paused_at,
            paused_until=view.paused_until,
            paused_by=view.paused_by,
            retired_at=view.retired_at,
            problem=view.problem,
            **read,
        )

    def _cadence(self, row: reads.PlannedView, caught_up: int) -> WatchedSchedule:
        schedule = self._specs.get(row.spec)
        if schedule is None:
            schedule = self._specs[row.spec] = Schedule.from_data(msgspec.json.decode(row.spec))
        return WatchedSchedule(
            name=row.name,
            schedule=schedule,
            since_at=max(row.low_water_at, caught_up),
            written_at=row.spec_at or 0,
            next_slot_at=row.next_slot_at,
            unbegun_at=row.unbegun_at,
            unbegun_run=row.unbegun_run,
        )

    def _away(self, listeners: list[reads.MonitoredTrigger], live: set[int]) -> dict[str, list[UnreachableSource]]:
        known = {one.name: one for one in listeners}
        found: dict[str, list[UnreachableSource]] = {}
        for desk in triggers.consumers(self._reader):
            listener = known.get(desk.trigger)
            if desk.away_since is None or listener is None or desk.session not in live:
                continue
            source = read_source(listener.definition)
            server = source.server if isinstance(source, QueueSource) else None
            one = UnreachableSource(desk.trigger, desk.hostname or "", desk.away_since, desk.why, server)
            found.setdefault(listener.automation, []).append(one)
        return found

    def _queues(self, now_at: int) -> tuple[WatchedQueue, ...]:
        views = status.queue_views(self._reader)
        arrived: dict[str, int] = {}
        ended: dict[str, int] = {}
        if any(one.max_backlog is not None and one.backlog >= _LEAST_BACKLOG for one in views):
            arrived, ended = reads.queue_traffic(self._reader, now_at - RATE_WINDOW_MS)
        return tuple(
            WatchedQueue(
                name=one.name,
                backlog=one.backlog,
                max_backlog=one.max_backlog,
                paused_at=one.paused_at,
                paused_by=one.paused_by,
                arrived=arrived.get(one.name, 0),
                ended=ended.get(one.name, 0),
            )
            for one in views
        )


def _count_processes(sessions: Iterable[SessionView]) -> Mapping[str, int]:
    """Return how many processes that stay serve each automation."""
    alive = (session for session in sessions if session.state not in (SessionState.DEAD, SessionState.CLOSED))
    return Counter(name for session in alive if session.role not in SHORT_LIVED_ROLES for name in session.automations)


def _last_success_at(minute_at: int | None, ends: tuple[RunCompletion, ...], now_at: int) -> int | None:
    """Return the last success: exactly where its run is kept, else as late as it can have been in the minute, or hour, that counted it.

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


def _join_waiting(one: WaitingRuns | None, other: WaitingRuns) -> WaitingRuns:
    """Return two groups as one; the queue is that of the oldest."""
    if one is None:
        return other
    first = min(one, other, key=lambda waiting: waiting.since_at)
    return WaitingRuns(one.number + other.number, first.since_at, first.queue)


def _backlog_limit(written: _DefinitionParts) -> int:
    stated = written.options.get("backlog")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 0
