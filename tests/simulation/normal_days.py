"""Ordinary weeks of a small project on a real store, in virtual time, with a watcher and two channels.

Schedules, events, jitter, slow days, retries, deploys, a pause, a change of the clocks.
"""

import heapq
import itertools
import random
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from mainspring.alerting.evaluation import Evaluator
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.errors import FencedError, StoreError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.states import AlertState, DeliveryState, FailureReason, RunState
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.alerts import SentAlert, SettleAlerts
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    ApplyRetention,
    AutomationRow,
    MakeSlot,
    PauseAutomation,
    ResumeAutomation,
    ScheduleRow,
    SetQueue,
)
from mainspring.store.commands.runs import SlotLink
from mainspring.store.commands.sessions import CloseSession, RecordHeartbeat
from mainspring.store.commands.triggers import AcceptDelivery, DecideDelivery, RejectDelivery, TriggerRow
from mainspring.store.read.incidents import is_alert_due
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import SqliteProcess, finish, suspend, take_alerts

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BEGIN = round(datetime(2027, 3, 8, tzinfo=UTC).timestamp() * 1_000)
"""A Monday; clocks go forward on the last day of the third week, in the middle of the backup's time."""
DAYS = 30
BERLIN = "Europe/Berlin"
MADE: dict[str, tuple[DefinitionKind, dict[str, Any], int]] = {
    "sync": (DefinitionKind.TASK, {"every": "30m", "jitter": "5m"}, 50 * SECOND),
    "report": (DefinitionKind.TASK, {"cron": ["5 * * * *"], "tz": BERLIN}, 3 * MINUTE),
    "backup": (DefinitionKind.SCRIPT, {"cron": ["30 2 * * *"], "tz": BERLIN, "tier": "page"}, 20 * MINUTE),
    "weekly": (DefinitionKind.SCRIPT, {"cron": ["0 6 * * 1"], "tz": BERLIN}, 40 * MINUTE),
    "office": (DefinitionKind.TASK, {"cron": ["0 9-17 * * 1-5"], "tz": BERLIN}, 2 * MINUTE),
    "orders": (DefinitionKind.TASK, {"tz": BERLIN, "queue": "orders"}, 5 * SECOND),
    "builds": (DefinitionKind.TASK, {"tz": BERLIN}, 30 * SECOND),
    "approvals": (DefinitionKind.WORKFLOW, {"tz": BERLIN}, 5 * SECOND),
    "crontab": (DefinitionKind.EXEC, {"cron": ["0 1 * * *"], "grace": "2h"}, 10 * MINUTE),
}
"""Kind, options and usual duration. `orders` is started by events, `crontab` by someone else's scheduler at 01:00 UTC, `builds` by a
public webhook; a run of `approvals` holds its partition and waits for a day or two."""
HOOK = "builds/webhook"
DEBOUNCED = "report/webhook"
DEBOUNCE = FlowControl.parse(debounce="1m")
CHANNELS = ("boss", "ops")


def definition_of(name: str) -> Definition:
    kind, options, _ = MADE[name]
    return Definition(kind=kind, name=name, options=options, schedules=build_schedules(options, name))


class Days:
    """A world that continues from `at`.

    `broken` = what no longer goes as usual, by name; `failing` = how the runs of an automation end; `slow` = how long they take, in
    which slots are skipped; `away` = channels that take nothing.
    """

    def __init__(self, path: Path, at: int = BEGIN) -> None:
        self.path = path
        self.clock = FakeClock(at)
        self.broken: set[str] = set()
        self.failing: dict[str, tuple[Failure, FailureReason]] = {}
        self.slow: dict[str, int] = {}
        self.away: set[str] = set()
        self.other: apsw.Connection | None = None
        self._order = itertools.count()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._rng = random.Random(at)
        self._sizes = random.Random(at)
        self._visitors = random.Random(at)
        self.worker = self._begin("worker")
        self.scheduler = self._begin("scheduler")
        self.watcher = self._begin("watcher")
        self.web = self._begin("web")
        self.queues: tuple[str, ...] | None = None
        """What the worker takes runs from; None = from every queue."""
        self.findings: tuple[ProcessFinding, ...] = ()
        """What the web process has put on record."""
        self.announce()
        watcher: Any = self.watcher  # as far as a look needs a store
        self.watch = Evaluator(
            watcher,
            self.clock,
            tunings=DEFAULT_TUNINGS,
            routing=NotificationRouting(channels=CHANNELS),
            redact=lambda text: text,
        )
        self.on_lost: Callable[[StoreError], None] | None = None
        self._error: StoreError | None = None
        """Why the watcher's last sign of life was not written."""
        self.on_well: Callable[[], None] = lambda: None
        self.forget()

    def _begin(self, role: str) -> SqliteProcess:
        process = SqliteProcess(self.path, self.clock)
        process.database.connection.execute("pragma synchronous = off")  # nothing here ends by a power cut
        process.open(role)
        return process

    def announce(self, *without: str, problems: Mapping[str, str] | None = None) -> None:
        """What a worker says that loaded all but some; of what failed to load it says why."""
        rows, schedules = [], []
        for name in MADE:
            if name in without:
                continue
            definition = definition_of(name)
            problem = (problems or {}).get(name)
            data = msgspec.json.encode(definition.to_data()) if problem is None else None
            rows.append(AutomationRow(name, str(definition.kind), 1, "f", data, problem=problem))
            for schedule in definition.schedules if problem is None else ():
                spec = msgspec.json.encode(schedule.to_data())
                first = None if definition.kind is DefinitionKind.EXEC else schedule.next_after(self.clock.now())
                schedules.append(ScheduleRow(name, name, spec, first, schedule.key))
        triggers = (
            TriggerRow("orders/event", "orders", "event", b'{"source":{"type":"event","name":"order"}}', None),
            _webhook(HOOK, "/builds", FlowControl()),
            _webhook(DEBOUNCED, "/report", DEBOUNCE),
        )
        self.worker.do(AnnounceDefinitions("f" + "".join(without), tuple(rows), tuple(schedules), triggers))
        self.worker.do(SetQueue("orders"), SetQueue("default"))

    def at(self, at: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._order), act))

    def go(self, for_ms: int, evaluate_every: int = HOUR, *, stop: bool = False) -> None:
        """Live on, with a watcher that looks now and then; `stop` = end at the first look after which someone learned something new."""
        until = self.clock.now() + for_ms
        while self.clock.now() < until:
            started_at = self.clock.now()
            self._plan(started_at, started_at + evaluate_every)
            while self._due and self._due[0][0] <= started_at + evaluate_every:
                at, _, act = heapq.heappop(self._due)
                self.clock.at = max(at, self.clock.at)
                try:
                    act()
                except FencedError:
                    pass  # who is dead does nothing more
                except StoreError:  # who cannot write tries again
                    self.at(self.clock.now() + MINUTE, act)
            self.clock.at = started_at + evaluate_every
            self.beat()
            self.evaluate()
            if stop and self.notified():
                return

    def evaluate(self) -> None:
        """A watcher's round: judge, then tell what is due; that nothing can be written it knows from its signs of life."""
        try:
            if self._error is not None and self.on_lost is not None:
                raise self._error
            self.watch.evaluate_once()
            if is_alert_due(self.watcher.reader, self.clock.now()):
                self._reply()
        except StoreError as error:
            if self.on_lost is None:
                raise
            self.on_lost(error)
        else:
            self.on_well()

    def _reply(self) -> None:
        take = take_alerts(*CHANNELS, most=100)
        for channel in self.watcher.do(take).channels:
            sent = () if channel.name in self.away else tuple(SentAlert(alert.seq) for alert in channel.alerts)
            away = "connection refused" if channel.name in self.away else None
            self.watcher.do(SettleAlerts(lease=take.lease, channel=channel.name, sent=sent, away=away))

    def forget(self) -> None:
        """What was sent so far is old."""
        self._known = {(incident.id, incident.opened) for incident in self.incidents()}

    def incidents(self) -> list[Incident]:
        """All there ever were, the first one first."""
        found = self.watcher.read("incidents", unresolved=False, limit=1_000)
        return sorted(found, key=lambda incident: (incident.opened_at, incident.id))

    def notified(self) -> list[Incident]:
        """The incidents of this world that someone was notified of, or will be by the next digest; grouped ones are in their parent."""
        alerts = self.watcher.read("alerts", limit=10_000)
        opened = (NotificationEvent.OPENED, NotificationEvent.REOPENED)
        sent = {alert.incident for alert in alerts if alert.about in opened and alert.state is AlertState.SENT}
        new = [incident for incident in self.incidents() if (incident.id, incident.opened) not in self._known]
        return [
            incident
            for incident in new
            if incident.id in sent or (incident.severity is Severity.DIGEST and not incident.parent)
        ]

    def beat(self) -> None:
        """Signs of life of those that live and can write."""
        for role, process in (
            *(("worker", self.worker), ("scheduler", self.scheduler)),
            *(("watcher", self.watcher), ("web", self.web)),
        ):
            if role not in self.broken:
                caught: StoreError | None = None
                try:
                    process.do(RecordHeartbeat())
                except StoreError as error:
                    caught = error
                if role == "watcher":
                    self._error = caught

    def _plan(self, begin: int, end: int) -> None:
        """What begins from one instant to another."""
        for name, (kind, _, _) in MADE.items():
            for schedule in definition_of(name).schedules if kind is not DefinitionKind.EXEC else ():
                for slot in schedule.slots_between(begin, end):
                    span = definition_of(name).span("jitter")
                    at = slot + compute_jitter(name, slot, span) + self._rng.randrange(3 * SECOND)
                    self.at(at, partial(self._slot, name, slot, schedule))
        for minute in range(begin - begin % MINUTE + MINUTE, end + 1, MINUTE):
            local = Schedule.parse(cron="* * * * *", tz=BERLIN).local(minute)
            if local.weekday() < 5 and 8 <= local.hour < 19 and self._rng.random() < 1 / 15:
                self.at(minute, lambda: self.start("orders"))
            if minute % (30 * MINUTE) == 0 and 6 <= local.hour < 22:
                self.at(minute + self._visitors.randrange(MINUTE), partial(self.deliver, f"b{minute}"))
            if minute % (30 * MINUTE) == 0:
                self.at(minute, partial(self.reject, "no_signature"))
            if minute % (8 * HOUR) == 0:  # someone tries many things at once
                for n in range(8):
                    self.at(minute + n * SECOND, partial(self.reject, "no_signature"))
            if minute % (5 * HOUR) == 0:
                self.at(minute, partial(self.reject, "bad_signature"))
            if minute % DAY == 9 * HOUR:
                self.at(minute, partial(self.start, "approvals", partition=f"t{minute // DAY % 3}"))
            if minute % DAY == 10 * HOUR and minute % (7 * DAY) == 4 * DAY + 10 * HOUR and minute > BEGIN + 8 * DAY:
                self.at(minute, partial(self.start, "approvals", partition=f"t{minute // DAY % 3}"))
            if minute % DAY == (10 if "host's zone" in self.broken else 1) * HOUR:
                self.at(minute, lambda: self.start("crontab"))
            if minute % DAY == 4 * HOUR:
                self.at(minute, lambda: self.worker.do(ApplyRetention(None, None, None, None, None)))
            if minute % (3 * DAY) == 10 * HOUR:
                self.at(minute, self._deploy)

    def _slot(self, name: str, slot: int, schedule: Schedule) -> None:
        (view,) = self.worker.read("automations", name)
        if "scheduler" in self.broken or view.paused_at is not None:
            return
        if name in self.slow and self.worker.list_runs(name=name, states=(RunState.RUNNING,)).runs:
            self.scheduler.do(MakeSlot(name, slot, schedule.next_after(self.clock.now()), SlotVerdict.SKIPPED))
            return
        start = self.worker.starting(name, slot=SlotLink(name, slot), trigger="schedule")
        self.scheduler.do(MakeSlot(name, slot, schedule.next_after(self.clock.now()), "run", start))
        self._claim()

    def start(self, name: str, **options: Any) -> None:
        if name in self.broken:
            return
        kind, known, _ = MADE[name]
        self.scheduler.start(name, **{"kind": str(kind), "queue": known.get("queue", "default"), **options})
        self._claim()

    def deliver(self, key: str) -> None:
        """What the sender of the webhook sends; as things stand, it may be wrong."""
        if "builds" in self.broken:
            return
        if "secret" in self.broken:
            for n in range(6):  # it tries again
                self.at(self.clock.now() + n * MINUTE, partial(self.reject, "bad_signature"))
            return
        name = self.web.name("d")
        values: dict[str, Any] = {"trigger": HOOK, "key": key, "body_hash": key, "body": b"{}"}
        if "filter" in self.broken:
            self.web.do(AcceptDelivery(id=name, verified="github", filtered=True, **values))
            note = "its filter raised KeyError: 'action'"
            self.web.do(DecideDelivery(trigger=HOOK, delivery=name, state=DeliveryState.FAILED, note=note))
            return
        self.web.do(AcceptDelivery(id=name, verified="github", start=self.web.starting("builds"), **values))
        self._claim()

    def reject(self, reason: str) -> None:
        """A request that the webhook does not take."""
        refusal = RejectDelivery(id=self.web.name("d"), trigger=HOOK, why=reason, note="no", body=b"x")
        self.web.do(refusal)

    def _claim(self) -> None:
        if "worker" in self.broken:
            return
        for run in self.worker.claim(10, queues=self.queues).runs:
            if run.automation == "approvals" and run.claim == 1:
                wait = DAY + self._visitors.randrange(DAY)
                self.worker.do(suspend(run, due_at=self.clock.now() + wait))
                self.at(self.clock.now() + wait + MINUTE, self._claim)
                continue
            if f"{run.automation} hangs" in self.broken:
                continue
            end = finish(run, output_size=self._size(run.automation))
            if run.automation in self.failing:
                failure, reason = self.failing[run.automation]
                end = finish(run, RunState.FAILED, failure=failure, reason=reason, failed_ident="upload#1")
            self.at(self.clock.now() + self._duration(run.automation), partial(self._end, end))

    def _end(self, command: Any) -> None:
        self.worker.do(command)

    def _size(self, name: str) -> int | None:
        """Of the backup 2 GB, more or less; no one measured the others."""
        if name != "backup":
            return None
        return 20 if "backup is empty" in self.broken else round(self._sizes.lognormvariate(21.4, 0.2))

    def _duration(self, name: str) -> int:
        if f"{name} does nothing" in self.broken:
            return SECOND
        if name in self.slow:
            return self.slow[name]
        duration = MADE[name][2] * self._rng.uniform(0.8, 1.3)
        if self.clock.now() // DAY % 7 == 3:
            duration *= 2.5
        if self._rng.random() < 0.05:  # it was tried again
            duration = duration * 1.5 + 30 * SECOND
        return round(duration)

    def _deploy(self, *without: str) -> None:
        """A new worker takes over what the old one had; no one serves for half a minute."""
        if self.worker.list_runs(states=(RunState.RUNNING,)).runs:  # it drains first
            self.at(self.clock.now() + 5 * MINUTE, lambda: self._deploy(*without))
            return
        self.worker.do(CloseSession())
        self.clock.forward(30 * SECOND)
        self.worker = self._begin("worker")
        self.announce(*without)
        self._claim()

    def deploy_without(self, name: str) -> None:
        self.at(self.clock.now() + MINUTE, lambda: self._deploy(name))

    def pause(self, name: str) -> None:
        self.worker.do(PauseAutomation(name, None, "ann", None))

    def resume(self, name: str) -> None:
        self.worker.do(ResumeAutomation(name))
        (schedule,) = definition_of(name).schedules
        (slot,) = schedule.newest_between(self.clock.now() - 3 * DAY, self.clock.now(), 1)
        self._slot(name, slot, schedule)

    def copy(self, path: Path) -> "Days":
        """The same world in a store of its own, after a restart of everything."""
        shutil.copy(self.path, path)
        connection = apsw.Connection(str(path))
        connection.execute("update sessions set state = 'closed', ended_at = beat_at where ended_at is null")
        connection.close()
        return Days(path, self.clock.now())

    def settle(self) -> None:
        """Let what is under way end; what waits for days continues waiting."""
        until = self.clock.now() + 3 * HOUR
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self.clock.at = max(at, self.clock.at)
            act()
        self.worker.database.connection.execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        for process in (self.worker, self.scheduler, self.watcher, self.web):
            process.close()


def _webhook(name: str, path: str, flow_control: FlowControl) -> TriggerRow:
    verify = {"type": "github", "secrets": ["KEY"]}
    written = {"source": {"type": "webhook", "path": path, "verify": verify}, "pace": msgspec.to_builtins(flow_control)}
    return TriggerRow(name, name.partition("/")[0], "webhook", msgspec.json.encode(written), path)
