"""The watcher: it evaluates the monitors, records incidents and notifies people. Assembled from settings and store."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import msgspec

from mainspring.alerting.evaluation import Evaluator
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.monitor_inputs import find_early_signs, read_monitor_inputs
from mainspring.alerting.notices import NoticeRenderer, read_incident_items
from mainspring.alerting.notifier import Notifier
from mainspring.alerting.watchdog_ping import WatchdogPing, find_stuck_work
from mainspring.app.alerting.channels import make_routing, notice_context, offer_answers, open_links, sign_incident_link
from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.app.setup.secrets import make_secret_store
from mainspring.config import Settings
from mainspring.config.due_secrets import read_due_secrets
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.incidents.incident import Finding, Incident, IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.engine.attempts.processes.process_lifetime import protect_memory
from mainspring.insight.rollouts.version_changes import add_version_changes
from mainspring.insight.runs.late_causes import add_causes
from mainspring.integrations.base.notifier import ChannelLink
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import CommitCallback, StoreReader
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents
from mainspring.store.read.status import status
from mainspring.store.read.status.status import audit_head

_LOG = logging.getLogger("mainspring.watcher")
ROUND_INTERVAL_S = 5.0
STANDBY_AFTER_MS = 60_000
"""A standby starts to watch when no watcher has given a heartbeat for this long."""
SUSPENDED_AFTER_MS = 20_000
"""After a pause of this length, the process was stopped or the machine slept, and all processes with it."""
_MAX_INCIDENTS = 1_000
DAMAGE_RECORD_TIMEOUT_MS = 20_000
"""Damage that no evaluation has recorded by then is reported without the store."""
LONGEST_ROUND_MS = 300_000
"""An evaluation that has not ended by then waits for a store that does not answer; its process still sends heartbeats."""


class Watcher:
    """Watches in its process's event loop, in which the store answers. `is_standby` = only while no watcher process runs.

    `read_fault` returns why commits fail at present; `fallback` is closed with this.
    """

    def __init__(
        self,
        settings: Settings,
        secrets: SecretStore,
        store: ProcessStore,
        fallback: FallbackAlerter,
        read_fault: Callable[[], str | None],
        *,
        is_standby: bool = False,
    ) -> None:
        faults = self._faults = ErrorText(secrets)
        self._store = store
        self._watch = make_evaluation(settings, store)
        self._rollouts = RolloutGuard(store)
        self._notifier = make_notifier(settings, store, store, secrets)
        self._fallback = fallback
        self._read_fault = read_fault
        self._watchdog_ping = WatchdogPing(settings.notify.watchdog, faults, store.clock)
        self._is_standby = is_standby
        self._is_on = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mainspring-watch")
        self._tasks: list[asyncio.Task[None]] = []
        self._logged: str | None = None
        self._evaluating_since: int | None = None

    def start(self) -> None:
        """Start watching."""
        self._tasks = [asyncio.get_running_loop().create_task(self._begin())]

    def changed(self) -> None:
        """Check for due notifications: the store may have changed."""
        if self._is_on:
            self._notifier.changed()

    async def close(self) -> None:
        """Stop, without waiting for an evaluation in progress."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._is_on:
            await self._notifier.close()
        await self._fallback.close()
        await self._watchdog_ping.close()

    async def _begin(self) -> None:
        """Check the store itself first: a round on a damaged store may end this process before any notification is sent."""
        await self._check_store()
        self._tasks.append(asyncio.get_running_loop().create_task(self._guard()))
        await self._run_rounds()

    async def _run_rounds(self) -> None:
        while True:
            try:
                await self._run_round()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001 - the watch never ends
                self._log_change(error)
            else:
                self._log_change(None)
            await self._wait_for_next_round()

    async def _wait_for_next_round(self) -> None:
        """Wait for the next round. Wait again after the whole machine slept: other processes send their heartbeats only now."""
        for _ in range(2):
            started = self._store.clock.now()
            await asyncio.sleep(ROUND_INTERVAL_S)
            if self._store.clock.now() - started < SUSPENDED_AFTER_MS:
                return

    async def _guard(self) -> None:
        """Report a lost store without it. This runs next to the rounds, since a round that writes waits while nothing can be written."""
        while True:
            await asyncio.sleep(ROUND_INTERVAL_S)
            await self._check_store()

    async def _check_store(self) -> None:
        try:
            fault = self._read_fault() or self._logged or self._describe_hang()
            damage = await asyncio.to_thread(self._unrecorded_damage)
            if fault is None and damage is None:
                await self._fallback.report_recovery()
            else:
                await self._fallback.report_outage(damage or fault or "", at_once=damage is not None)
        except Exception:  # noqa: BLE001 - the watch never ends
            _LOG.exception("the check of the store failed; it is repeated")

    def _unrecorded_damage(self) -> str | None:
        """Return known damage that no incident records: the store accepts no commits, or each process that reads it ends."""
        damage = self._store.known_damage()
        if damage is None or self._store.clock.now() - damage.since_at < DAMAGE_RECORD_TIMEOUT_MS:
            return None
        with suppress(MainspringError):
            unresolved = incidents.open_incidents(self._store.reader, _MAX_INCIDENTS)
            if any(incident.subject.kind is IncidentKind.STORE_DAMAGED for incident in unresolved):
                return None
        return damage.text

    def _describe_hang(self) -> str | None:
        """Return the fault of an evaluation that does not end."""
        since = self._evaluating_since
        if since is None or self._store.clock.now() - since < LONGEST_ROUND_MS:
            return None
        return f"an evaluation has not ended for {LONGEST_ROUND_MS // 60_000} minutes"

    async def _run_round(self) -> None:
        loop = asyncio.get_running_loop()
        self._evaluating_since = self._store.clock.now()
        try:
            if self._is_standby and await loop.run_in_executor(self._pool, self._is_watched):
                return
            fault = await loop.run_in_executor(self._pool, self._guard_rollouts)
            await loop.run_in_executor(self._pool, self._watch.evaluate_once)
        finally:
            self._evaluating_since = None
        if not self._is_on:
            self._is_on = True
            self._notifier.start()
        self._notifier.changed()
        if self._watchdog_ping.is_due:
            await self._watchdog_ping.update(
                self._read_fault() or await loop.run_in_executor(self._pool, self._find_stuck_work)
            )
        if fault is not None:
            raise fault

    def _guard_rollouts(self) -> Exception | None:
        """Move the rollouts before the monitors are evaluated, so that no monitor that fails delays a rollback. Return the fault."""
        try:
            self._rollouts.run_once()
        except FencedError:
            raise
        except Exception as error:  # noqa: BLE001 - the rest of the round comes first
            return error
        return None

    def _is_watched(self) -> bool:
        """Return whether a watcher process gives heartbeats."""
        now = self._store.clock.now()
        watchers = [
            session
            for session in status.sessions(self._store.reader, limit=1_000)
            if session.role == ProcessRole.WATCHER
        ]
        return any(session.ended_at is None and now - session.beat_at < STANDBY_AFTER_MS for session in watchers)

    def _find_stuck_work(self) -> str | None:
        """Return the work that is stuck: then the watchdog gets no ping."""
        channels = incidents.unsent_alerts(self._store.reader)
        return find_stuck_work(self._watch.seen, channels, self._watch.seen_at, self._store.session)

    def _log_change(self, error: Exception | None) -> None:
        """Log an error when it changes, not in each round."""
        logged_before, self._logged = (
            self._logged,
            None if error is None else self._faults.of(error) or type(error).__name__,
        )
        if logged_before == self._logged:
            return
        if error is None:
            _LOG.warning("the watcher evaluates again")
        else:
            trace = None if isinstance(error, MainspringError | OSError) else error
            _LOG.error("the watcher fails, next attempt every %g s: %s", ROUND_INTERVAL_S, self._logged, exc_info=trace)


def make_evaluation(
    settings: Settings, store: ProcessStore, *, at_once: int | None = 100, group_wait: bool = True
) -> Evaluator:
    """Return the evaluator of a store, as configured."""
    routing = make_routing(settings)
    return Evaluator(
        store,
        store.clock,
        tunings=read_tunings(settings.monitors),
        own=read_tuning_overrides(settings.monitors),
        routing=routing if group_wait else msgspec.structs.replace(routing, group_wait_ms=0),
        redact=KNOWN_SECRETS.redact,
        secrets=read_due_secrets(settings),
        at_once=at_once,
        explain=partial(_explain, zone=settings.project.timezone),
    )


def _explain(findings: Iterable[Finding], reader: StoreReader, now: int, *, zone: str) -> list[Finding]:
    explained = add_causes(findings, reader, now, redact=KNOWN_SECRETS.redact, zone=zone)
    return add_version_changes(explained, reader, redact=KNOWN_SECRETS.redact)


def evaluate_and_notify(
    settings: Settings, store: ProcessStore, *, within_s: float, at_once: int | None = 100
) -> MonitorInputs:
    """Evaluate once and send what is due now, for programs that end. Return the monitor inputs.

    What cannot be sent in that time stays in the store for the next evaluation.

    Raises:
        StoreError: the store cannot be read or written.
    """
    evaluator = make_evaluation(settings, store, at_once=at_once, group_wait=False)
    try:
        RolloutGuard(store).run_once()
    finally:
        evaluator.evaluate_once()
    if incidents.is_alert_due(store.reader, store.clock.now()):
        protect_memory(with_commands=False)
        secrets = make_secret_store(settings)

        async def notify() -> None:
            loop = asyncio.get_running_loop()
            await make_notifier(settings, store, _LoopAnsweringStore(store, loop), secrets).run_once(within_s)

        run_in_short_lived_loop(notify())
    return evaluator.seen


class _LoopAnsweringStore:
    """A store that answers in a loop of the caller, not in its own way."""

    def __init__(self, store: ProcessStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Submit a command, as store.base.Store does."""

        def answer(result: Answer | BaseException) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(on_done, result)

        self._store.submit(command, answer)


def make_notifier(
    settings: Settings,
    store: ProcessStore,
    answers: ProcessStore | _LoopAnsweringStore,
    secrets: SecretStore,
    links: Mapping[str, ChannelLink] | None = None,
) -> Notifier:
    """Return the notifier of a store, as configured. `links` = channels in place of those of the configuration."""
    faults = ErrorText(secrets)

    def definition_of(automation: str) -> Definition | None:
        found = status.automations(store.reader, automation)
        return Definition.from_data(msgspec.json.decode(found[0].definition)) if found and found[0].definition else None

    runbooks = RunbookFinder(settings)

    def runbook_of(definition: Definition | None, incident: Incident) -> str | None:
        found = runbooks.of(incident.subject.automation, definition, incident)
        return None if found is None else found.where

    context, routing = notice_context(settings), make_routing(settings)

    def find_warnings() -> Sequence[EarlyWarning]:
        now, redact = store.clock.now(), KNOWN_SECRETS.redact
        inputs = read_monitor_inputs(
            FactsReader(store.reader, at_once=None, secrets=read_due_secrets(settings)),
            store.reader,
            now,
            tunings=read_tunings(settings.monitors),
            own=read_tuning_overrides(settings.monitors),
            redact=redact,
        )
        return find_early_signs(inputs.facts, store.reader, now, routing)

    return Notifier(
        answers,
        lambda: incidents.is_alert_due(store.reader, store.clock.now()),
        open_links(settings, faults, store.clock) if links is None else links,
        NoticeRenderer(
            definition_of,
            runbook_of,
            find_warnings,
            context,
            partial(sign_incident_link, settings, secrets, store.clock),
            lambda: audit_head(store.reader),
            lambda incident: read_incident_items(store.reader, incident, KNOWN_SECRETS.redact),
            partial(offer_answers, settings, secrets, store.clock),
        ),
        store.clock,
        faults,
    )
