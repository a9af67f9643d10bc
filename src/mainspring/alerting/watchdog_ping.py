"""The ping to an outside watchdog such as healthchecks.io, sent only while all work moves. A missing ping raises the alarm."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from mainspring.domain.clock import Clock
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.system.worker_lost import WorkerLostTuning, evaluate
from mainspring.domain.redaction.secret_url import resolve_secret_url
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.resources.error_text import ErrorText
from mainspring.store.read.incidents import UnsentAlerts

_LOG = logging.getLogger("mainspring.watchdog")
EVERY_S: Final = 60.0
UNSENT_MS: Final = 10 * 60_000
"""The longest time that an alert may wait for its channel."""
_LOST: Final = WorkerLostTuning(missing=timedelta(minutes=1), silent=timedelta(seconds=30))
"""Stricter than what notifies people, and independent of switched-off monitors: an outside watchdog allows for minutes itself."""
_SLOT_MS: Final = 5 * 60_000
_UNCLAIMED_MS: Final = 60 * 60_000
"""As long as `Recent.started` counts: a rate limit may hold runs back for a while, but hardly all of them for an hour."""


def find_stuck_work(
    facts: MonitorInputs, channels: Iterable[UnsentAlerts], now: int, session: int | None
) -> str | None:
    """Return what is stuck, from the facts read at `now`; None = all work moves. `session` = the session of the caller."""
    for process in facts.processes:
        if process.session == session and now - process.beat_at >= _LOST.silent // timedelta(milliseconds=1):
            return "the store has accepted no commit of this process recently"
    for evaluation in evaluate(facts, _LOST, now):
        if evaluation.finding is not None or evaluation.unsure is not None:
            return evaluation.unsure if evaluation.finding is None else evaluation.finding.text
    late_channel = next(
        (alerts.channel for alerts in channels if alerts.due_at is not None and now - alerts.due_at >= UNSENT_MS), None
    )
    if late_channel is not None:
        return f"channel {late_channel} accepts nothing"
    return _find_unmade_slot(facts, now) or _find_unclaimed(facts, now)


def _find_unmade_slot(facts: MonitorInputs, now: int) -> str | None:
    """Return a schedule that makes no runs. An automation that no worker serves or loads has a finding of its own."""
    for automation in facts.expected(now):
        for cadence in automation.cadences if automation.served and automation.problem is None else ():
            if cadence.next_slot_at is not None:
                due_at = max(cadence.next_slot_at, cadence.written_at, automation.expected_from_at)
                if now - due_at >= _SLOT_MS:
                    return f"no run was created for a slot of {cadence.name}"
    return None


def _find_unclaimed(facts: MonitorInputs, now: int) -> str | None:
    """Return an automation whose runs no worker claims, although nothing runs and nothing started for as long."""
    if any(automation.running_since_at is not None or automation.recent.started for automation in facts.automations):
        return None
    paused = {queue.name for queue in facts.queues if queue.paused_at is not None}
    for automation in facts.expected(now):
        waiting = automation.waiting
        if waiting is None or not automation.served or waiting.queue in paused:
            continue
        if now - waiting.since_at >= _UNCLAIMED_MS:
            return f"no worker claims the waiting runs of {automation.name}"
    return None


class WatchdogPing:
    """Sends the ping; for one event loop. `address` = the setting `[notify] watchdog`; None = no watchdog."""

    def __init__(self, address: str | None, faults: ErrorText, clock: Clock) -> None:
        self._address = address
        self._faults = faults
        self._http = HttpClient(faults, clock)
        self._not_before = 0.0
        self._logged_fault: str | None = None
        self._stuck_text: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether a ping is due now, if all work moves."""
        return self._address is not None and time.monotonic() >= self._not_before

    async def update(self, stuck_text: str | None) -> None:
        """Send the ping unless work is stuck. Log when pings stop and when they start again."""
        if (stuck_text is None) != (self._stuck_text is None):
            _LOG.warning(
                "the ping to the watchdog %s",
                "is sent again" if stuck_text is None else f"is not sent: {stuck_text}",
            )
        self._stuck_text = stuck_text
        if stuck_text is None:
            await self.beat()

    async def beat(self) -> None:
        """Send the ping. Log a failure when it changes; the watchdog notices the missing ping."""
        self._not_before = time.monotonic() + EVERY_S
        fault = None
        try:
            response = await self._http.post(resolve_secret_url(self._address or "", self._faults), b"", {})
            fault = None if response.is_ok else f"it answers {response.status}"
        except ChannelFault as error:
            fault = error.text
        except Exception as error:  # noqa: BLE001 - whatever it is, the watcher continues
            fault = self._faults.of(error)
        if fault is not None and fault != self._logged_fault:
            _LOG.warning("the external watchdog did not accept the ping: %s", fault)
        self._logged_fault = fault

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()
