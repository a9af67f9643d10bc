"""What lets schedules go on after the clock of the machine was put back: they would wait until what it said before has passed.

Looked for once a minute, and at once when this process sees its clock put back.
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


class ClockRegression:
    """Used by one thread at a time. `only` = the automations that are looked after; None = those of the whole store."""

    def __init__(self, reads: EngineReads, only: Container[str] | None) -> None:
        self._reads = reads
        self._only = only
        self._looked_at: int | None = None

    def commands(self, now: int) -> list[PullBackSchedule]:
        """Return one command for each schedule that is ahead."""
        if self._looked_at is not None and 0 <= now - self._looked_at < _CHECK_EVERY_MS:
            return []
        self._looked_at = now
        ahead = [one for one in self._reads.schedules_ahead(now + MAX_CLOCK_LEAD_MS) if self._is_ours(one)]
        found = [command for one in ahead if (command := _pull_back(one, now)) is not None]
        if found:
            _LOG.warning(
                "the clock was put back: %d schedules go on from now, and do not wait for what it said before",
                len(found),
            )
        return found

    def _is_ours(self, one: ScheduleAhead) -> bool:
        return self._only is None or one.automation in self._only


def _pull_back(one: ScheduleAhead, now: int) -> PullBackSchedule | None:
    try:
        return PullBackSchedule(one.name, Schedule.from_data(msgspec.json.decode(one.spec)).next_after(now))
    except Exception as error:  # noqa: BLE001 - one schedule must not stop the others
        _LOG.error("schedule %s cannot go on from now: %s: %s", one.name, type(error).__name__, error)
        return None
