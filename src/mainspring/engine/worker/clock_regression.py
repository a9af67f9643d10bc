"""Recovery of schedules after a clock regression: without it they would wait until the clock reaches its old time again.

Checked once a minute, and at once when this process notices that its clock was put back.
"""

import logging
from collections.abc import Container

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.time.schedule import Schedule
from mainspring.store.base import EngineReads, ScheduleAhead
from mainspring.store.commands.automations import PullBackSchedule

_LOG = logging.getLogger("mainspring.scheduler")
_CHECK_EVERY_MS = 60_000


class ClockRegressionRecovery:
    """Pulls schedules back; used by one thread at a time. `only` = the automations to serve; None = those of the whole store."""

    def __init__(self, reads: EngineReads, only: Container[str] | None) -> None:
        self._reads = reads
        self._only = only
        self._checked_at: int | None = None

    def commands(self, now: int) -> list[PullBackSchedule]:
        """Return one command for each schedule that is ahead."""
        if self._checked_at is not None and 0 <= now - self._checked_at < _CHECK_EVERY_MS:
            return []
        self._checked_at = now
        ahead = [
            schedule for schedule in self._reads.schedules_ahead(now + MAX_CLOCK_LEAD_MS) if self._is_served(schedule)
        ]
        commands = [command for schedule in ahead if (command := _pull_back(schedule, now)) is not None]
        if commands:
            _LOG.warning(
                "the clock was put back: %d schedules continue from now, and do not wait for the old time",
                len(commands),
            )
        return commands

    def _is_served(self, schedule: ScheduleAhead) -> bool:
        return self._only is None or schedule.automation in self._only


def _pull_back(schedule: ScheduleAhead, now: int) -> PullBackSchedule | None:
    try:
        return PullBackSchedule(schedule.name, Schedule.from_data(msgspec.json.decode(schedule.spec)).next_after(now))
    except Exception as error:  # noqa: BLE001 - one schedule must not stop the others
        _LOG.error("schedule %s cannot continue from now: %s: %s", schedule.name, type(error).__name__, error)
        return None
