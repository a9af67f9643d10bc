"""What a watcher does: it looks, writes down what is wrong, and tells it. Put together from settings and store."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from mainspring.alerting.evaluation import Evaluator
from mainspring.alerting.incident_items import read_incident_items
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.monitor_inputs import find_early_signs, read_monitor_inputs
from mainspring.alerting.notices import NoticeRenderer
from mainspring.alerting.notifier import Notifier
from mainspring.alerting.watchdog_ping import WatchdogPing, find_stuck_work
from mainspring.app.alerting.channels import make_routing, notice_context, open_links, sign_incident_link
from mainspring.app.alerting.fallback_alerting import FallbackAlerter
from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.config import Settings
from mainspring.config.due_secrets import read_due_secrets
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.incidents.incident import Incident, IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.insight.runs.late_causes import add_causes
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import CommitCallback
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents as reads
from mainspring.store.read.status import status
from mainspring.store.read.status.status import audit_head

_LOG = logging.getLogger("mainspring.watching")
ROUND_INTERVAL_S = 5.0
STANDBY_TAKES_OVER_MS = 60_000
"""Who stands by takes over when no watcher has given a sign of life for so long."""
SUSPENDED_AFTER_MS = 20_000
"""Who rested for so long was stopped, or the machine slept, and everybody with it."""
_MAX_INCIDENTS = 1_000
DAMAGE_RECORD_TIMEOUT_MS = 20_000
"""Damage that no look has recorded by then is reported without the store."""
LONGEST_ROUND_MS = 300_000
"""A look that has not ended by then waits for a store that does not answer: whoever looks moves on all the same, and beats."""


class Watcher:
    """A watcher's life in its process's event loop, whose store answers there. `stands_by` = only while no watcher process lives.

    `trouble` says why commits do not succeed at present; `reserved` is closed with this.
    """

    def __init__(
        self,
        settings: Settings,
        secrets: SecretStore,
        store: ProcessStore,
        reserved: FallbackAlerter,
        trouble: Callable[[], str | None],
        *,
        stands_by: bool = False,
    ) -> None:
        faults = self._faults = ErrorText(secrets)
        self._store = store
        self._watch = make_evaluation(settings, store)
        self._notifier = _make_notifier(settings, store, store, secrets)
        self._reserved = reserved
        self._trouble = trouble
        self._pulse = WatchdogPing(settings.notify.watchdog, faults, store.clock)
        self._stands_by = stands_by
        self._is_on = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mainspring-watch")
        self._tasks: list[asyncio.Task[None]] = []
        self._told: str | None = None
        self._looks_since: int | None = None

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.get_running_loop().create_task(self._begin())]

    def changed(self) -> None:
        """Something may be new in the store."""
        if self._is_on:
            self._notifier.changed()

    async def close(self) -> None:
        """End; a look that is under way is not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._is_on:
            await self._notifier.close()
        await self._reserved.close()
        await self._pulse.close()

    async def _begin(self) -> None:
        """Check the store itself first: a round on a damaged store may end this process before any notification is sent."""
        await self._look_after_store()
        self._tasks.append(asyncio.get_running_loop().create_task(self._guard()))
        await self._live()

    async def _live(self) -> None:
        while True:
            try:
                await self._round()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001 - the watch never ends
                self._tell(error)
            else:
                self._tell(None)
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next round; once more after a sleep of the whole machine, for others give their signs of life only now."""
        for _ in range(2):
            began = self._store.clock.now()
            await asyncio.sleep(ROUND_INTERVAL_S)
            if self._store.clock.now() - began < SUSPENDED_AFTER_MS:
                return

    async def _guard(self) -> None:
        """Tell without the store that it is lost; beside the rounds, since one that writes waits for as long as nothing can be written."""
        while True:
            await asyncio.sleep(ROUND_INTERVAL_S)
            await self._look_after_store()

    async def _look_after_store(self) -> None:
        try:
            fault = self._trouble() or self._told or self._hanging()
            damage = await asyncio.to_thread(self._unrecorded_damage)
            if fault is None and damage is None:
                await self._reserved.over()
            else:
                await self._reserved.look(damage or fault or "", at_once=damage is not None)
        except Exception:  # noqa: BLE001 - the watch never ends
            _LOG.exception("the check whether the store is lost failed; it is repeated")

    def _unrecorded_damage(self) -> str | None:
        """Return what is known of damage that no incident records: the store takes no commits, or ends each process that looks at it."""
        damage = self._store.known_damage()
        if damage is None or self._store.clock.now() - damage.since_at < DAMAGE_RECORD_TIMEOUT_MS:
            return None
        with suppress(MainspringError):
            incidents = reads.open_incidents(self._store.reader, _MAX_INCIDENTS)
            if any(incident.subject.kind is IncidentKind.STORE_DAMAGED for incident in incidents):
                return None
        return damage.text

    def _hanging(self) -> str | None:
        """Return what is wrong with a look that does not end."""
        since = self._looks_since
        if since is None or self._store.clock.now() - since < LONGEST_ROUND_MS:
            return None
        return f"a look at it has not ended for {LONGEST_ROUND_MS // 60_000} minutes"

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        self._looks_since = self._store.clock.now()
        try:
            if self._stands_by and await loop.run_in_executor(self._pool, self._is_watched):
                return
            await loop.run_in_executor(self._pool, self._watch.look)
        finally:
            self._looks_since = None
        if not self._is_on:
            self._is_on = True
            self._notifier.start()
        self._notifier.changed()
        if self._pulse.is_due:
            await self._pulse.look(self._trouble() or await loop.run_in_executor(self._pool, self._stands_still))

    def _is_watched(self) -> bool:
        """Whether a process whose work this is gives signs of life."""
        now = self._store.clock.now()
        watchers = [one for one in status.sessions(self._store.reader, limit=1_000) if one.role == ProcessRole.WATCHER]
        return any(one.ended_at is None and now - one.beat_at < STANDBY_TAKES_OVER_MS for one in watchers)

    def _stands_still(self) -> str | None:
        """Return what does not move although it has to, so that the outside hears no sign."""
        channels = reads.unsent_alerts(self._store.reader)
        return find_stuck_work(self._watch.seen, channels, self._watch.seen_at, self._store.session)

    def _tell(self, error: Exception | None) -> None:
        """Log what is wrong when that changes, not in each round."""
        told, self._told = self._told, None if error is None else self._faults.of(error) or type(error).__name__
        if told == self._told:
            return
        if error is None:
            _LOG.warning("the watch goes on")
        else:
            trace = None if isinstance(error, MainspringError | OSError) else error
            _LOG.error(
                "the watch fails, and is tried again every %g s: %s", ROUND_INTERVAL_S, self._told, exc_info=trace
            )


def make_evaluation(
    settings: Settings, store: ProcessStore, *, at_once: int | None = 100, group_wait: bool = True
) -> Evaluator:
    """Return what looks at a store, as the settings say."""
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
        explain=partial(add_causes, redact=KNOWN_SECRETS.redact, zone=settings.project.timezone),
    )


def evaluate_and_notify(
    settings: Settings, store: ProcessStore, *, within_s: float, at_once: int | None = 100
) -> MonitorInputs:
    """Look once and tell at once what is due, for programs that end; return what was seen.

    What cannot be told within that time stays in the store for the next one.

    Raises:
        StoreError: the store cannot be read or written.
    """
    watch = make_evaluation(settings, store, at_once=at_once, group_wait=False)
    watch.look()
    if reads.is_alert_due(store.reader, store.clock.now()):
        secrets = SecretStore(settings.secrets.dir, os.environ)

        async def tell() -> None:
            loop = asyncio.get_running_loop()
            await _make_notifier(settings, store, _LoopAnsweringStore(store, loop), secrets).run_once(within_s)

        run_in_short_lived_loop(tell())
    return watch.seen


class _LoopAnsweringStore:
    """A store that answers in a loop, where its own way of answering is another."""

    def __init__(self, store: ProcessStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    def submit(self, command: Any, on_done: CommitCallback) -> None:
        """As store.base.Store has it."""

        def answer(result: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(on_done, result)

        self._store.submit(command, answer)


def _make_notifier(
    settings: Settings, store: ProcessStore, answers: ProcessStore | _LoopAnsweringStore, secrets: SecretStore
) -> Notifier:
    faults = ErrorText(secrets)

    def definition_of(automation: str) -> Definition | None:
        found = status.automations(store.reader, automation)
        return Definition.from_data(msgspec.json.decode(found[0].definition)) if found and found[0].definition else None

    runbooks = RunbookFinder(settings)

    def runbook_of(definition: Definition | None, incident: Incident) -> str | None:
        found = runbooks.of(incident.subject.automation, definition, incident)
        return None if found is None else found.where

    around, routing = notice_context(settings), make_routing(settings)

    def signs() -> Sequence[EarlyWarning]:
        now, redact = store.clock.now(), KNOWN_SECRETS.redact
        seen = read_monitor_inputs(
            FactsReader(store.reader, at_once=None, secrets=read_due_secrets(settings)),
            store.reader,
            now,
            tunings=read_tunings(settings.monitors),
            own=read_tuning_overrides(settings.monitors),
            redact=redact,
        )
        return find_early_signs(seen.facts, store.reader, now, routing)

    return Notifier(
        answers,
        lambda: reads.is_alert_due(store.reader, store.clock.now()),
        open_links(settings, faults, store.clock),
        NoticeRenderer(
            definition_of,
            runbook_of,
            signs,
            around,
            partial(sign_incident_link, settings, secrets, store.clock),
            lambda: audit_head(store.reader),
            lambda incident: read_incident_items(store.reader, incident, KNOWN_SECRETS.redact),
        ),
        store.clock,
        faults,
    )
