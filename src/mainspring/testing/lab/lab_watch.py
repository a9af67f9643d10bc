"""The watch of a lab: monitors, incidents, and the messages that people would get.

It evaluates the monitors as the watcher process does, on the clock of the lab. A failed run, a notification that is due and the test
itself are evaluated at once; all else at most once in a scan interval (see `TimeJump`), so that a jump over a month stays short.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.app.alerting.watcher import ROUND_INTERVAL_S, make_evaluation, make_notifier
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.notifications.notification import Notification
from mainspring.engine.worker.scans import wait_for_change
from mainspring.integrations.base.notifier import ChannelLink
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents
from mainspring.testing.lab.lab_loop import LabLoop

_MOST_INCIDENTS = 10_000
_ROUND_MS = round(ROUND_INTERVAL_S * 1000)


@dataclass(frozen=True, slots=True)
class LabMessage:
    """A message that a channel would have sent. `event` is such as "opened" or "resolved"; `text` has all its lines."""

    channel: str
    at: datetime
    event: str
    severity: str
    headline: str
    text: str


class LabWatch:
    """Works in the loop of a lab. `settings` = its monitors, channels and routes."""

    def __init__(self, settings: Settings, loop: LabLoop, store: ProcessStore, secrets: SecretStore) -> None:
        self.messages: list[LabMessage] = []
        """The messages until now, oldest first."""
        self._loop = loop
        self._store = store
        self._rollouts = RolloutGuard(store)
        self._evaluator = make_evaluation(settings, store)
        links: dict[str, ChannelLink] = {
            name: _RecordedChannel(name, store.clock, self.messages) for name in settings.notify.channels
        }
        self._notifier = make_notifier(settings, store, store, secrets, links)
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._timer: asyncio.Handle = loop.call_soon(self._changed.set)
        self._task = loop.create_task(self._run_rounds())

    async def close(self) -> None:
        """Stop."""
        self._timer.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._notifier.close()

    def plan(self) -> None:
        """Plan the next evaluation: the store has changed, and the lab is idle."""
        reader, now = self._store.reader, self._loop.clock.now()
        due = [alerts.due_at for alerts in incidents.unsent_alerts(reader) if alerts.due_at is not None]
        if incidents.ungrouped_failures(reader, 1):
            due.append(now)
        self._timer.cancel()
        if due:
            at = min(due) if min(due) > now else now + _ROUND_MS
            self._timer = self._loop.call_later((at - now) / 1000, self._changed.set)

    async def evaluate(self) -> None:
        """Move the rollouts, evaluate the monitors and send what is due."""
        async with self._lock:
            # Rounds may lie hours apart on this clock, and the worker is alive.
            await commit_and_wait(self._store, RecordHeartbeat())
            await self._loop.run_in_executor(None, self._rollouts.run_once)
            await self._loop.run_in_executor(None, self._evaluator.evaluate_once)
            await self._notifier.send_due()

    def read_incidents(self, *, unresolved: bool) -> list[Incident]:
        """Return the incidents, the newest change first."""
        return incidents.incidents(self._store.reader, unresolved=unresolved, limit=_MOST_INCIDENTS)

    async def _run_rounds(self) -> None:
        while True:
            await wait_for_change(self._changed, ROUND_INTERVAL_S)
            self._changed.clear()
            await self.evaluate()


class _RecordedChannel:
    """A channel that keeps what it would send."""

    def __init__(self, name: str, clock: Clock, messages: list[LabMessage]) -> None:
        self._name = name
        self._clock = clock
        self._messages = messages

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Keep a message."""
        self._messages.append(
            LabMessage(
                channel=self._name,
                at=datetime.fromtimestamp(self._clock.now() / 1000, UTC),
                event=notice.about.value,
                severity=notice.severity.value,
                headline=notice.headline,
                text=f"{notice.headline}\n{notice.body}",
            )
        )
        return None

    async def close(self) -> None:
        """Do nothing: it has no connection."""
