"""The sign of life to an address outside, as healthchecks.io takes it: given only while all moves that has to; its absence is the alarm."""

import logging
import time
from collections.abc import Collection, Iterable
from typing import Final

from mainspring.domain.clock import Clock
from mainspring.domain.incident import IncidentKind
from mainspring.domain.notify_url import url_of
from mainspring.operations.notifiers.base import ChannelFault
from mainspring.operations.notifiers.http import Http
from mainspring.resources.fault_text import FaultText
from mainspring.store.reads.incidents import Unsent

_LOG = logging.getLogger("mainspring.pulse")
EVERY_S: Final = 60.0
UNTOLD_MS: Final = 10 * 60_000
"""So long may an alert have waited for its channel at most."""
_STANDS_STILL = IncidentKind.WORKER_LOST


def all_moves(wrong: Collection[str], channels: Iterable[Unsent], now: int) -> bool:
    """Tell whether scheduler, workers and outbox move, by the kinds of what is wrong and by what waits for each channel."""
    late = any(one.due_at is not None and now - one.due_at >= UNTOLD_MS for one in channels)
    return _STANDS_STILL not in wrong and not late


class Pulse:
    """Made and used in one event loop. `address` = what `[notify] watchdog` says, None = nobody listens outside."""

    def __init__(self, address: str | None, faults: FaultText, clock: Clock) -> None:
        self._address = address
        self._faults = faults
        self._http = Http(faults, clock)
        self._not_before = 0.0
        self._told: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether a sign is to be given now, if all moves."""
        return self._address is not None and time.monotonic() >= self._not_before

    async def beat(self) -> None:
        """Give the sign. What goes wrong is logged when it changes: whoever listens outside hears of it by our silence."""
        self._not_before = time.monotonic() + EVERY_S
        fault = None
        try:
            answer = await self._http.post(url_of(self._address or "", self._faults), b"", {})
            fault = None if answer.is_ok else f"it answers {answer.status}"
        except ChannelFault as error:
            fault = error.text
        except Exception as error:  # noqa: BLE001 - whatever it is, the watch goes on
            fault = self._faults.of(error)
        if fault is not None and fault != self._told:
            _LOG.warning("the watchdog outside did not take our sign of life: %s", fault)
        self._told = fault

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()
